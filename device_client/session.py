"""One answer's session with the edge over as many streams as it takes: opens, resumes, reopens.

Guarantees: `messages` is one sequence whatever breaks; after a break the edge is told what the device holds, so that
the sequence goes on where it stopped. It gives up when the patience of its route is over (`patience`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic

import grpc

from device_client.access import Access
from device_client.figures import Recorder
from device_client.link import Link, server_info
from device_client.patience import Patience
from device_client.silence import Tempo
from shared.errors import (
    CovspecError,
    EngineFailure,
    ModelMismatch,
    OutOfStep,
    Overloaded,
    Unavailable,
    UnknownSession,
)
from shared.logs import RequestLog
from shared.speculation.attended import Attended
from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Yield
from shared.speculation.prints import VocabularyPrint, short
from shared.wire.codec import FromEdge
from shared.wire.handshake import Drain, ImageHeld, Open, Opened, Queued, Resume, ServerInfo, VocabularyWanted
from shared.wire.metadata import Metadata, route_metadata

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Route:
    """How to reach the edge: `first`, an open channel of somebody else's, then new ones.

    `patience`: seconds to try for. `chance`: uniform in [0, 1), spreads the tries of many devices. `request`: by which
    both ends name the answer in their logs. `metadata`: said at the beginning of each stream. `resume`: whether an
    answer that was opened is tried for when its stream breaks. `changed`: called when the edge has another target than
    it said. `access`: in whose words it is said that it ended.
    """

    first: grpc.aio.Channel
    dial: Callable[[], grpc.aio.Channel]
    patience: float
    chance: Callable[[], float]
    request: str = ""
    metadata: Metadata = ()
    resume: bool = True
    changed: Callable[[], None] = lambda: None
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Away:
    """The edge is away in the middle of an answer, for `reason`; the session tries to reach it again."""

    reason: str


class EdgeSession:
    """Keeps a stream to the edge that `info` describes."""

    def __init__(
        self,
        opening: Open,
        pictures: tuple[bytes, ...],
        vocabulary: VocabularyPrint | None,
        info: ServerInfo,
        route: Route,
        recorder: Recorder,
    ) -> None:
        """`pictures` and `vocabulary`: what `opening` names by digests, sent as far as the edge wants it."""
        self.log = RequestLog(log, route.request)
        self.opened: Opened | None = None
        self.recorder = recorder
        self._opening = opening
        self._pictures = pictures
        self._info = info
        self._limits = info.limits
        self._route = route
        self._name = f"{int(route.chance() * 2**32):08x}"
        self._detours = 0  # tries that came to nothing
        self._known = False  # the edge may know the session: resume before opening again
        self._welcomed = False  # on this stream
        self._queued = False  # on this stream
        self._vocabulary = vocabulary
        self._vocabulary_sent = False  # on this stream
        self._attends = info.attends  # of the edge that is asked next
        self._attended = False
        self._acknowledged = 0
        self._link: Link | None = None

    @property
    def request(self) -> str:
        """The name of the answer in the logs of both ends."""
        return self._route.request

    @property
    def connected(self) -> bool:
        """Whether there is a stream to the edge now."""
        return self._link is not None

    def propose(self, conversation: DeviceConversation) -> None:
        """Send what the edge should hear now, if there is a stream to it."""
        if self._link is None:
            return
        while (propose := conversation.outgoing()) is not None:
            self._acknowledged = propose.seen
            self.recorder.flight.proposed(monotonic())
            if self.recorder.trace is not None:
                self.recorder.trace.proposed(propose)
            self._link.post(propose)

    def acknowledge(self, conversation: DeviceConversation) -> None:
        """Tell the edge how far the device has read, before it stops to wait for that: a draft may take too long."""
        if 2 * (len(conversation.committed) - self._acknowledged) >= self._limits.max_ahead:
            self.propose(conversation)

    def say(self, message: Yield) -> None:
        """Send `message` on the stream that is open, if one is."""
        if self._link is not None:
            self._link.post(message)

    async def messages(self, conversation: DeviceConversation) -> AsyncGenerator[FromEdge | Away, None]:
        """What the edge says from the beginning to Finished. Raises what nothing can be done about.

        Once an answer is opened, `Away` stands between the last word before a break and the first one after it.

        To close it, or to cancel who reads it, tells the edge that nothing more is wanted.
        """
        patience = Patience(self._route.patience, self._route.chance)
        while True:
            length, began = len(conversation.committed), monotonic()
            try:
                async with aclosing(self._stream(conversation, fresh=patience.failures > 0)) as stream:
                    async for message in stream:
                        yield message
                        if isinstance(message, Finished):
                            return
                raise Unavailable("the edge ended the stream before the answer")
            except UnknownSession:
                if not self._known:
                    raise
                self._known = False
                wait = patience.again()
            except (Unavailable, EngineFailure, Overloaded) as broken:
                if self.opened is not None and not self._route.resume:
                    raise self._lost(broken, conversation, None) from None
                if self._queued:
                    patience.queued()
                elif not self._welcomed:
                    self._detours += 1  # a proxy may choose another edge now
                if len(conversation.committed) > length:
                    patience.rewarded()
                now = monotonic()
                try:
                    wait = patience.wait(broken, now, begun=self.opened is not None, lasted=now - began)
                except CovspecError as final:
                    raise self._lost(final, conversation, patience.seconds) from None
                self._tell(broken, wait, patience)
                if self.opened is not None and patience.failures == 1:
                    yield Away(str(broken))
                wait -= monotonic() - now  # whoever reads has taken its time
            await asyncio.sleep(wait)

    async def _stream(self, conversation: DeviceConversation, *, fresh: bool) -> AsyncGenerator[FromEdge, None]:
        channel = self._route.dial() if fresh else self._route.first
        metadata = (*self._route.metadata, *route_metadata(f"{self._name}-{self._detours}"))
        self._welcomed = self._queued = self._vocabulary_sent = False
        try:
            if self.opened is not None and not self._known:
                now = await server_info(channel, metadata)
                self._check_same(now.fingerprint)
                self._attends = now.attends
            async with Link(channel, self._limits, self.recorder.ledger, self._tempo, metadata) as link:
                self._begin(link, conversation)
                reason = FinishReason.CANCELLED
                try:
                    async with aclosing(link.messages()) as messages:
                        async for message in messages:
                            self._note(link, message)
                            if isinstance(message, Finished):
                                reason = FinishReason.DONE
                            yield message
                except (GeneratorExit, asyncio.CancelledError, ModelMismatch):  # nobody reads on
                    self._link = None
                    await link.finish(Finish(reason))
                    raise
        finally:
            self._link = None
            if fresh:
                await channel.close()

    def _begin(self, link: Link, conversation: DeviceConversation) -> None:
        resumed = self.opened if self._known else None
        if resumed is not None:
            conversation.reconnect()
        else:
            conversation.reopen()
        self.recorder.flight.new_stream()
        if self.recorder.trace is not None:
            self.recorder.trace.streams()
        self._acknowledged = len(conversation.committed)
        self._link = link
        if resumed is not None:
            link.post(Resume(resumed.session, resumed.token, len(conversation.committed)))
            return
        opening = self._opening
        if self.opened is not None:  # an edge that knows nothing of us: the same answer, from where it stands
            sampling = self.opened.sampling.as_wish()
            attend = opening.attend if self._attends and not self._attended else None  # nobody needs it twice
            opening = replace(opening, sampling=sampling, committed=tuple(conversation.committed), attend=attend)
        link.post(opening)
        link.upload(self._pictures)

    def _note(self, link: Link, message: FromEdge) -> None:
        if self.recorder.trace is not None:
            self.recorder.trace.heard(message)
        match message:
            case Opened():
                self._check_same(message.fingerprint)
                if self.opened is not None:
                    self.recorder.reconnects += 1
                    self.log.warning("the link is back; the answer goes on")
                self.opened = message
                self._known = self._welcomed = True
                link.welcome()
            case Commit() | Finished() | Attended() if not self._welcomed:
                name = type(message).__name__.lower()
                raise OutOfStep(f"the edge said {name} before opened")
            case Attended():
                self._attended = True
            case ImageHeld():
                link.spare(message.images)
            case VocabularyWanted():
                self._send_vocabulary(link)
            case Queued():
                self._queued = True
            case Drain(seconds, length):
                self.log.info("the edge stops in %d s; it has %d tokens of this answer", seconds, length)
            case Commit():
                self.recorder.committed(message, monotonic())
            case _:
                pass

    def _send_vocabulary(self, link: Link) -> None:
        """The edge wants what Open has named: once on a stream, before Opened. Raises OutOfStep."""
        if self._vocabulary is None or self._vocabulary_sent or self._welcomed:
            raise OutOfStep("the edge wants a vocabulary that was not named, or was sent already")
        self._vocabulary_sent = True
        link.post(self._vocabulary)

    def _lost(self, broken: CovspecError, conversation: DeviceConversation, seconds: float | None) -> CovspecError:
        """What nothing can be done about, in words for a person."""
        access = self._route.access
        if access is None or not isinstance(broken, Unavailable):
            return broken
        if self.opened is None:
            return access.explained(broken)
        return access.lost(broken, len(conversation.committed), seconds=seconds)

    def _tempo(self) -> Tempo:
        return Tempo(self.recorder.step_seconds, self.recorder.flight.round_trip)

    def _check_same(self, fingerprint: bytes) -> None:
        """Another target would say another text, and may have other ids. Raises ModelMismatch."""
        then = self._info.fingerprint
        if fingerprint == then:
            return
        self._route.changed()
        said = f"the edge has another model than before: its fingerprint is {short(fingerprint)}, not {short(then)}"
        if self.opened is not None:
            said = f"the answer is not complete: {said}, and another model would go on with another text"
        raise ModelMismatch(f"{said}; ask again")

    def _tell(self, broken: CovspecError, wait: float, patience: Patience) -> None:
        """Warn at the first of several failures: the person sees that nothing moves, and why."""
        first = logging.WARNING if patience.failures == 1 else logging.INFO
        if isinstance(broken, Overloaded):
            self.log.log(first, "no place at the edge; trying again in %.1f s (%s)", wait, broken)
            return
        if patience.failures == 1:
            self.log.warning("the link broke; trying again for up to %g s", patience.seconds)
        self.log.info("the link broke: %s", broken)
