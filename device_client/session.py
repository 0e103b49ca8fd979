"""One answer's session with the edge over as many streams as it takes: opens, resumes, reopens.

Guarantees: `messages` is one sequence whatever breaks; after a break the edge is told what the device holds, so that
the sequence goes on where it stopped. It gives up after `patience` seconds without progress.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from time import monotonic

import grpc

from device_client.figures import Recorder
from device_client.link import Link
from shared.errors import CovspecError, EngineFailure, Unavailable, UnknownSession
from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Yield
from shared.wire.codec import FromEdge
from shared.wire.handshake import ImageHeld, Limits, Open, Opened, Resume

log = logging.getLogger(__name__)

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 1.0  # seconds between attempts, doubling
_GOODBYE_SECONDS = 1.0


class EdgeSession:
    """Keeps a stream to the edge. `first` is an open channel that the session does not own; `dial` makes new ones."""

    def __init__(
        self,
        opening: Open,
        pictures: tuple[bytes, ...],
        limits: Limits,
        first: grpc.aio.Channel,
        dial: Callable[[], grpc.aio.Channel],
        patience: float,
    ) -> None:
        self.opened: Opened | None = None
        self.recorder = Recorder(monotonic())
        self._opening = opening
        self._pictures = pictures
        self._limits = limits
        self._first = first
        self._dial = dial
        self._patience = patience
        self._known = False  # the edge may know the session: resume before opening again
        self._may_propose = False
        self._link: Link | None = None

    def propose(self, conversation: DeviceConversation) -> None:
        """Send what the edge should hear now, if there is a stream that may carry it."""
        if self._link is None or not self._may_propose:
            return
        propose = conversation.outgoing()
        if propose is not None:
            self.recorder.proposed(monotonic())
            self._link.post(propose)

    def say(self, message: Yield) -> None:
        """Send `message` on the stream that is open, if one is."""
        if self._link is not None:
            self._link.post(message)

    async def cancel(self) -> None:
        """Tell the edge that nothing more is wanted."""
        if self._link is not None:
            self._link.post(Finish(FinishReason.CANCELLED))
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._link.finish()

    async def messages(self, conversation: DeviceConversation) -> AsyncGenerator[FromEdge, None]:
        """What the edge says from the beginning to Finished. Raises what nothing can be done about."""
        last_progress, failures = monotonic(), 0
        while True:
            length = len(conversation.committed)
            try:
                async with aclosing(self._stream(conversation, fresh=failures > 0)) as stream:
                    async for message in stream:
                        yield message
                        if isinstance(message, Finished):
                            return
                raise Unavailable("the edge ended the stream before the answer")
            except UnknownSession:
                self._known = False
            except (Unavailable, EngineFailure) as broken:
                if len(conversation.committed) > length:
                    last_progress, failures = monotonic(), 0
                self._check_patience(broken, last_progress, failures)
            self.recorder.reconnects += 1
            await asyncio.sleep(min(_LONGEST_WAIT, _FIRST_WAIT * 2**failures) if failures else 0)
            failures += 1

    async def _stream(self, conversation: DeviceConversation, *, fresh: bool) -> AsyncGenerator[FromEdge, None]:
        channel = self._dial() if fresh else self._first
        try:
            async with Link(channel, self._limits, self.recorder.ledger) as link:
                self._begin(link, conversation)
                async with aclosing(link.messages()) as messages:
                    async for message in messages:
                        self._note(link, message)
                        yield message
                        if isinstance(message, Finished):
                            link.post(Finish(FinishReason.DONE))
                            await link.finish()
                            return
        finally:
            self._link = None
            if fresh:
                await channel.close()

    def _begin(self, link: Link, conversation: DeviceConversation) -> None:
        conversation.reconnect()
        self.recorder.new_stream()
        self._link = link
        self._may_propose = not self._known
        if self._known and self.opened is not None:
            link.post(Resume(self.opened.session, self.opened.token, len(conversation.committed)))
            return
        opening = self._opening
        if self.opened is not None:  # an edge that knows nothing of us: the same answer, from where it stands
            sampling = self.opened.sampling.as_wish()
            opening = replace(opening, sampling=sampling, committed=tuple(conversation.committed))
        link.post(opening)
        link.upload(self._pictures)

    def _note(self, link: Link, message: FromEdge) -> None:
        match message:
            case Opened():
                self.opened = message
                self._known = True
            case ImageHeld():
                link.spare(message.images)
            case Commit():
                self.recorder.committed(message, monotonic())
                self._may_propose = True
            case _:
                pass

    def _check_patience(self, broken: CovspecError, last_progress: float, failures: int) -> None:
        waited = monotonic() - last_progress
        if waited > self._patience or (isinstance(broken, EngineFailure) and failures > 0):
            raise broken
        log.warning("the link broke (%s); resuming", broken)
