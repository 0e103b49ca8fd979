"""One stream: what a device says goes to its session's mailbox, what the engine brings goes to the device.

Guarantees: whatever the device sends or fails to send, the session ends up closed, parked or with a newer stream, and
its ticket for a place is given back. Reading and writing run side by side; a reader's refusal ends the writer with it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from time import monotonic
from typing import assert_never

from edge_server.edge import Edge
from edge_server.endings import Gone, Left, Overdue, drop_frames
from edge_server.engine.offers import Offers
from edge_server.line import Ticket
from edge_server.sessions import Held, new_name
from edge_server.uploads import UploadRate, Uploads, UploadShare
from edge_server.vocabularies import DraftVocabulary
from edge_server.wishes import check_attend, check_judging, engine_request, pace_of
from shared.errors import CovspecError, EngineFailure, OutOfStep, Superseded
from shared.speculation.edge import Rules
from shared.speculation.messages import Finish, Finished, FinishReason, Ping, Pong, Propose, Yield
from shared.speculation.prints import VocabularyPrint
from shared.speculation.request import ImageReference
from shared.wire.codec import FromDevice, FromEdge
from shared.wire.handshake import Drain, ImageChunk, ImageHeld, Open, Opened, Queued, Resume, VocabularyWanted

log = logging.getLogger(__name__)

FIRST_SECONDS = 20.0  # until open or resume has come
UPLOAD_RATE = UploadRate()
GOODBYE_SECONDS = 5.0  # how long the edge waits for Finish(DONE) before it takes the device for gone


class Stream:
    """The life of one stream. `messages` are decoded; `send` awaits while the device reads too slowly."""

    def __init__(
        self,
        edge: Edge,
        messages: AsyncIterator[FromDevice],
        send: Callable[[FromEdge], Awaitable[None]],
        tenant: str = "",
    ) -> None:
        self._edge = edge
        self._messages = messages
        self._send = send
        self._tenant = tenant
        self._uploads = Uploads((), edge.store)
        self._vocabulary = DraftVocabulary(None, edge.vocabularies, tenant)
        self._share = UploadShare(edge.upload_room)
        self._receiving = asyncio.Event()  # until it is set, the first chunk of a picture is not read past
        self._ticket: Ticket | None = None
        self._offers: Offers | None = None
        self._held: Held | None = None
        self._reader: asyncio.Task[None] | None = None
        self._refusal: CovspecError | None = None
        self._goodbye = False  # the device has said Finish
        self._finished = False  # the edge has said Finished

    async def run(self) -> None:
        """From the first message to the end. Raises what the device is to be told."""
        try:
            await self._converse(await self._begin())
        except Left:
            assert self._offers is not None
            await self._send(Finished(FinishReason.CANCELLED, self._offers.length))
        except CovspecError as refusal:
            if self._held is not None and not isinstance(refusal, Gone | Overdue):
                await self._edge.sessions.close(self._held)
            raise
        finally:
            if self._reader is not None:
                self._reader.cancel()
            if self._held is not None:
                await self._part(self._held)
            if self._reader is not None:
                await asyncio.wait([self._reader])
            self._reader = None  # a task keeps the exception that has ended it
            drop_frames(self._refusal)

    @property
    def waits(self) -> bool:
        """Whether nothing goes on before the device says something."""
        held = self._held
        return held is not None and held.offers.begun and not held.offers.may_step(held.opened.pace)

    async def warn(self, seconds: float) -> None:
        """Tell the device, if it has an answer here, that its stream is cut after `seconds`, and where it stands."""
        if self._held is not None and not self._finished:
            await self._send(Drain(math.ceil(seconds), self._held.offers.length))

    def leave(self) -> None:
        """A newer stream has taken the session over: end, and touch the session no more."""
        self._refusal = Superseded("a newer stream has taken this session over")
        self._held = None
        if self._reader is not None:
            self._reader.cancel()

    async def _begin(self) -> Held:
        """The session that the first message opens or resumes. What that message holds is let go of with it."""
        match await self._first():
            case Open() as opening:
                return await self._open(opening)
            case Resume() as resume:
                return await self._resume(resume)
            case None:
                raise OutOfStep("the stream ended before its first message, open or resume")
            case other:
                name = type(other).__name__.lower()
                raise OutOfStep(f"the first message of a stream must be open or resume, not {name}")

    async def _first(self) -> FromDevice | None:
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                return await anext(self._messages, None)
        except TimeoutError:
            raise OutOfStep(f"neither open nor resume came within {FIRST_SECONDS:g} s") from None

    async def _open(self, opening: Open) -> Held:
        info, device, limits = self._edge.engine.info, opening.device, self._edge.limits
        check_judging(device, self._edge.engine.rules, lossy=self._edge.lossy)
        check_attend(opening.attend, attends=self._edge.attends)
        self._vocabulary = DraftVocabulary(device.vocabulary, self._edge.vocabularies, self._tenant)
        pace = pace_of(device, self._edge.engine.paces)
        rules = Rules(device.window, limits.max_ahead, info.rows, info.placeholder_ids, device.judging)
        sessions = self._edge.sessions
        sessions.check(self._tenant)
        if self._vocabulary.wanted:
            await self._send(VocabularyWanted())
        self._offers = offers = Offers(rules, opening.committed, monotonic)
        self._reader = asyncio.create_task(self._read())
        with self._edge.upload_room.share() as self._share:
            encoded = await self._receive(opening.images)
            common = await self._vocabulary.common_ids()
            ticket = self._ticket = sessions.queue(self._tenant)  # not before: a slow device holds no place
            try:
                await ticket.come(lambda place: self._send(Queued(place)))
                self._check_wanted()
                with await self._edge.decode(encoded) as images:
                    request = engine_request(opening, images, pace, self._tenant)
                    answer = await self._edge.engine.open(request, offers)
            except BaseException:
                sessions.release(ticket)
                raise
        terms = answer.terms
        opened = Opened(
            session=new_name(),
            token=new_name(),
            sampling=terms.parameters,
            prompt_tokens=terms.prompt_tokens,
            visual_tokens=terms.visual_tokens,
            common_ids=common,
            placeholder_ids=tuple(sorted(token for token in info.placeholder_ids if token < common)),
            window=device.window,
            pace=pace,
            park_seconds=math.ceil(self._edge.park_seconds),
            fingerprint=self._edge.engine.fingerprint,
        )
        held = self._held = Held(answer, offers, opened, ticket, self)
        sessions.add(held)
        return held

    async def _receive(self, references: Sequence[ImageReference]) -> tuple[bytes, ...]:
        """All pictures as encoded."""
        uploads = self._uploads = Uploads(references, self._edge.store, self._tenant)
        await self._share.add(sum(references[index].size for index in uploads.held))
        self._receiving.set()
        if uploads.held:
            await self._send(ImageHeld(uploads.held))
        encoded = await uploads.complete(UPLOAD_RATE, lambda: self._share.waits)
        self._check_wanted()
        return encoded

    def _check_wanted(self) -> None:
        """Raise what has ended the stream meanwhile."""
        if self._refusal is not None:
            raise self._refusal
        if self._goodbye:
            raise Left

    async def _resume(self, resume: Resume) -> Held:
        held = self._edge.sessions.claim(resume.session, resume.token, self, self._tenant)
        self._held = held  # from here on an error closes the session and a break parks it
        await held.answer.resume(resume.seen)
        if self._refusal is not None:  # a still newer stream came meanwhile
            raise self._refusal
        self._offers = held.offers
        self._receiving.set()
        self._reader = asyncio.create_task(self._read())
        return held

    async def _converse(self, held: Held) -> None:
        """Send what the engine brings until the answer ends, then wait a little for the device's goodbye."""
        await self._send(held.opened)
        if self._goodbye:  # said before there was an answer
            await held.answer.finish(FinishReason.CANCELLED)
        if self._refusal is None:
            async with aclosing(held.answer.news()) as all_news:
                async for news in all_news:
                    self._finished = isinstance(news, Finished)
                    await self._send(news)
        if self._refusal is None and self._reader is not None:
            await asyncio.wait([self._reader], timeout=GOODBYE_SECONDS)
        if self._refusal is not None:
            raise self._refusal

    async def _part(self, held: Held) -> None:
        """The stream is over. What the device has ended is closed, even if it did not wait for the answer to that."""
        if self._goodbye:
            await self._edge.sessions.close(held)
        else:
            await self._edge.sessions.park(held, self)

    async def _read(self) -> None:
        """Take what the device says until it finishes, breaks a rule, or is gone."""
        try:
            async for message in self._messages:
                await self._take(message)
                del message  # while the next one is waited for
                if self._goodbye:
                    return
            parked = "the session is parked and can be resumed" if self._held is not None else "nothing had begun"
            raise Gone(f"the stream ended without finish; {parked}")
        except CovspecError as refusal:
            await self.refuse(refusal)
        except Exception as broken:
            log.exception("reading from a device failed")
            await self.refuse(EngineFailure(f"the edge failed: {type(broken).__name__}"))

    async def refuse(self, refusal: CovspecError) -> None:
        """End the writer, wherever it waits. What is `Overdue` leaves the session parked."""
        drop_frames(refusal)  # a future keeps the traceback that it is given
        self._refusal = refusal
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
        self._uploads.fail(refusal)
        self._vocabulary.fail(refusal)
        if self._ticket is not None:
            self._edge.sessions.send_away(self._ticket, refusal)
        if self._held is not None:
            await self._held.answer.park()

    async def _finish(self) -> None:
        """The device wants no more, whether it still waits for its place, sends its pictures, or has an answer."""
        if self._held is not None:
            await self._held.answer.finish(FinishReason.CANCELLED)  # unless it has ended already
            return
        self._uploads.fail(Left())
        self._vocabulary.fail(Left())
        if self._ticket is not None:
            self._edge.sessions.send_away(self._ticket, Left())

    async def _give_sign(self) -> None:
        try:
            await self._send(Pong())
        except Exception as broken:  # the stream is gone, which gRPC says in many ways
            raise Gone(f"the stream broke: {type(broken).__name__}") from None

    async def _take(self, message: FromDevice) -> None:
        match message:
            case Propose() | Yield():
                assert self._offers is not None
                self._offers.hear(message)
            case ImageChunk():
                await self._receiving.wait()
                await self._share.add(self._uploads.adds(message))
                self._uploads.add(message)
            case VocabularyPrint():
                self._vocabulary.receive(message)
            case Finish():
                self._goodbye = True
                await self._finish()
            case Ping():
                await self._give_sign()
            case Open() | Resume():
                raise OutOfStep("a stream carries one answer: open or resume came a second time")
            case _:
                assert_never(message)
