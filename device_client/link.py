"""One stream to the edge: values in, values out, statuses turned into our errors, every byte counted.

Guarantees: `post` never waits; what is posted goes out in order and before the pictures' next chunk; whatever ends the
stream early is raised from `messages` as a CovspecError, and so is an edge that gives no sign of life (`silence`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Any, cast

import grpc

from device_client.access import Access
from device_client.last_word import LastWord
from device_client.silence import Tempo, hello_seconds, quiet_seconds, reply_seconds, unasked_seconds
from shared.errors import CovspecError, Unavailable
from shared.speculation.messages import Finish, Ping, Pong
from shared.wire.codec import (
    FromDevice,
    FromEdge,
    decode_info,
    decode_response,
    encode_request,
    parse_info,
    parse_response,
)
from shared.wire.handshake import ImageChunk, Limits, ServerInfo
from shared.wire.ledger import Ledger
from shared.wire.metadata import Metadata, by_key, signs_of
from shared.wire.statuses import error_of
from shared.wire.v1 import verify_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["VerifyService"].full_name
_CHUNK = 16 * 1024  # bytes: small enough that a proposal never waits long behind a picture
_INFO_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0
_STATUS_SECONDS = 0.2  # that the edge's own word may come after one that gRPC has made up
_LATE_SECONDS = 0.5  # a loop that stood still so long has not listened, and judges nobody


def connect(address: str) -> grpc.aio.Channel:
    """A channel in the clear to the edge at `address`, host:port. Nothing is sent yet."""
    return Access(address).channel()


async def server_info(channel: grpc.aio.Channel, metadata: Metadata = ()) -> ServerInfo:
    """What the edge serves. Raises Unavailable, and what the edge refuses with."""
    ask: grpc.aio.UnaryUnaryMultiCallable[pb.GetServerInfoRequest, bytes] = channel.unary_unary(
        f"/{_SERVICE}/GetServerInfo", request_serializer=pb.GetServerInfoRequest.SerializeToString
    )
    try:
        return decode_info(parse_info(await ask(pb.GetServerInfoRequest(), timeout=_INFO_SECONDS, metadata=metadata)))
    except grpc.aio.AioRpcError as failed:
        raise error_of(failed.code(), failed.details(), failed.trailing_metadata()) from None


class Link:
    """One stream, which says `metadata` first. Use as `async with`; leaving it cancels what is not over.

    `tempo`: what is known of the edge now.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        limits: Limits,
        ledger: Ledger,
        tempo: Callable[[], Tempo] = Tempo,
        metadata: Metadata = (),
    ) -> None:
        verify: grpc.aio.StreamStreamMultiCallable[pb.VerifyRequest, bytes] = channel.stream_stream(
            f"/{_SERVICE}/Verify", request_serializer=pb.VerifyRequest.SerializeToString
        )
        self._call = verify(metadata=metadata)
        self._responses = cast(AsyncGenerator[bytes, None], aiter(self._call))
        self._limits = limits
        self._ledger = ledger
        self._posted: deque[pb.VerifyRequest] = deque()
        self._chunks: deque[ImageChunk] = deque()
        self._wanted = asyncio.Event()
        self._closing = False
        self._writer = asyncio.create_task(self._write())
        self._reading: asyncio.Task[bytes | None] | None = None
        self._last_word = LastWord(self._call)
        self._tempo = tempo
        self._heard = 0  # messages
        self._welcomed = asyncio.Event()
        self._silent = ""  # why nobody is there; an error kept here would hold its frames, and they this link
        self._watcher = asyncio.create_task(self._watch())

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.cancel()
        self._watcher.cancel()
        self._call.cancel()
        if self._last_word.hidden:
            await self._drain()
        # What broke the stream has been raised from `messages`, or nobody reads on.
        tasks = [self._writer, self._watcher, *filter(None, [self._reading])]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._responses.aclose()
        # A failed task holds its frames, and they this link with its connection, until a collector finds the circle.
        del tasks, self._writer, self._watcher, self._reading

    def post(self, message: FromDevice) -> None:
        """Send `message` as soon as the link takes it. Raises InvalidValue for what no edge would take."""
        self._posted.append(encode_request(message))
        self._wanted.set()

    def upload(self, pictures: Sequence[bytes]) -> None:
        """Send pictures 0, 1, ... in chunks, whenever nothing else waits."""
        for index, data in enumerate(pictures):
            for offset in range(0, len(data), _CHUNK):
                self._chunks.append(ImageChunk(index, offset, data[offset : offset + _CHUNK]))
        self._wanted.set()

    def spare(self, held: Sequence[int]) -> None:
        """The edge has these pictures: send no more of them."""
        self._chunks = deque(chunk for chunk in self._chunks if chunk.image not in held)

    def welcome(self) -> None:
        """The edge has opened the answer here: from now on it gives signs of life when it is asked for them."""
        self._welcomed.set()

    async def messages(self) -> AsyncGenerator[FromEdge, None]:
        """What the edge says, to the end of the stream, but for signs of life. Raises what ended it."""
        try:
            while (data := await self._next()) is not None:
                self._heard += 1
                response = parse_response(data)
                self._ledger.count(response)
                message = decode_response(response, self._limits)
                if not isinstance(message, Pong):
                    yield message
        except grpc.aio.AioRpcError:
            raise await self._end() from None
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            raise Unavailable(self._silent or "the stream was cut") from None

    async def finish(self, last: Finish) -> None:
        """Say the last word, and give the edge a moment to end the stream: cut at once, it would look like a break."""
        self._chunks.clear()
        self.post(last)
        self._closing = True
        with suppress(TimeoutError, CovspecError):
            async with asyncio.timeout(_GOODBYE_SECONDS), aclosing(self.messages()) as rest:
                async for _ in rest:
                    pass

    async def _drain(self) -> None:
        """Read what is left, or gRPC keeps the call for ever: the edge's status comes after its last message."""
        with suppress(TimeoutError, grpc.aio.AioRpcError):
            async with asyncio.timeout(_STATUS_SECONDS):
                while await self._next() is not None:
                    pass

    async def _next(self) -> bytes | None:
        """The next message, None at the end. To cancel this leaves the call whole, so that `finish` can follow."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        data = await asyncio.shield(self._reading)
        self._reading = None
        return data

    async def _read(self) -> bytes | None:
        return await anext(self._responses, None)

    async def _end(self) -> CovspecError:
        """What ends the stream: the edge's own word, unless gRPC has hidden it."""
        status = await self._last_word.heard(_STATUS_SECONDS)
        if status is None:
            return Unavailable("the stream was cut")
        return error_of(status.code, status.sentence, status.metadata)

    async def _watch(self) -> None:
        """End the stream if nobody is there: not at its beginning, or not when asked for a sign of life later on."""
        await self._await_welcome(await self._await_headers())
        answered = 0
        while True:
            heard = self._heard
            seconds = quiet_seconds(self._tempo(), answered)
            if await self._sleep(seconds) or self._heard != heard or not self._listening:
                answered = 0
                continue
            self.post(Ping())
            reply = reply_seconds(self._tempo())
            if not await self._sleep(reply) and self._heard == heard:
                self._give_up(f"the edge has been silent for {seconds + reply:.1f} s")
            answered += 1

    async def _await_headers(self) -> float | None:
        """Until the edge has taken the stream: how often it has promised a sign of life, in seconds."""
        headers, seconds = asyncio.ensure_future(self._call.initial_metadata()), hello_seconds(self._tempo())
        try:
            if not await self._comes(headers, seconds):
                self._give_up(f"the edge has not taken the stream for {seconds:.1f} s")
            return signs_of(by_key(await headers))
        finally:
            headers.cancel()

    async def _await_welcome(self, signs: float | None) -> None:
        """Until the answer is opened: a question might wait behind pictures, so the edge says unasked that it lives.

        An edge that has not said how often is waited for.
        """
        welcome = asyncio.ensure_future(self._welcomed.wait())
        try:
            heard, seconds = -1, unasked_seconds(self._tempo(), signs or 0.0)
            while signs is not None and (heard != self._heard or not self._listening):
                heard = self._heard
                if await self._comes(welcome, seconds):
                    return
            if signs is not None:
                self._give_up(f"the edge has been silent for {seconds:.1f} s before the answer was opened")
            await welcome
        finally:
            welcome.cancel()

    @property
    def _listening(self) -> bool:
        """Whether somebody waits for a message: what nobody takes is not heard, and no silence."""
        return self._reading is not None and not self._reading.done()

    @staticmethod
    async def _comes(what: asyncio.Future[Any], seconds: float) -> bool:
        """Whether `what` comes within so many seconds; those in which the loop stood still do not count."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + seconds
            await asyncio.wait([what], timeout=seconds)
            if what.done() or loop.time() <= due + _LATE_SECONDS:
                return what.done()

    async def _sleep(self, seconds: float) -> bool:
        """Whether the loop was so late that what came meanwhile may not have been heard."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        return loop.time() > due + _LATE_SECONDS

    def _give_up(self, sentence: str) -> None:
        if not self._call.done():
            self._silent = sentence
            self._call.cancel()

    async def _write(self) -> None:
        while True:
            while self._posted or self._chunks:
                request = self._posted.popleft() if self._posted else encode_request(self._chunks.popleft())
                self._ledger.count(request)
                await self._call.write(request)
            if self._closing:
                await self._call.done_writing()
                return
            self._wanted.clear()
            await self._wanted.wait()


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
