"""One stream to the edge: values in, values out, statuses turned into our errors, every byte counted.

Guarantees: `post` never waits; what is posted goes out in order and before the pictures' next chunk; whatever ends the
stream early is raised from `messages` as a CovspecError.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from types import TracebackType
from typing import cast

import grpc

from device_client.access import Access
from shared.errors import CovspecError, Unavailable
from shared.speculation.messages import Finish
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
from shared.wire.metadata import Metadata
from shared.wire.statuses import error_of
from shared.wire.v1 import verify_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["VerifyService"].full_name
_CHUNK = 16 * 1024  # bytes: small enough that a proposal never waits long behind a picture
_INFO_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0
_MADE_UP = "Internal error from Core"  # what gRPC says of a write to a stream that the edge has ended
_LOOKS, _LOOK_SECONDS = 50, 0.002


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
    """One stream, which says `metadata` at its beginning. Use as `async with`; leaving it cancels what is not over."""

    def __init__(self, channel: grpc.aio.Channel, limits: Limits, ledger: Ledger, metadata: Metadata = ()) -> None:
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
        self._ended = asyncio.create_task(self._end())

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.cancel()
        self._call.cancel()
        self._ended.cancel()
        # What broke the stream has been raised from `messages`, or nobody reads on.
        tasks = [self._writer, self._ended, *filter(None, [self._reading])]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._responses.aclose()

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

    async def messages(self) -> AsyncGenerator[FromEdge, None]:
        """What the edge says, to the end of the stream. Raises what ended it."""
        try:
            while (data := await self._next()) is not None:
                response = parse_response(data)
                self._ledger.count(response)
                yield decode_response(response, self._limits)
        except grpc.aio.AioRpcError:
            raise await asyncio.shield(self._ended) from None
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            raise Unavailable("the stream was cut") from None

    async def finish(self, last: Finish) -> None:
        """Say the last word, and give the edge a moment to end the stream: cut at once, it would look like a break."""
        self._chunks.clear()
        self.post(last)
        self._closing = True
        with suppress(TimeoutError, CovspecError):
            async with asyncio.timeout(_GOODBYE_SECONDS), aclosing(self.messages()) as rest:
                async for _ in rest:
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
        """What ends the stream: the status that comes first, unless gRPC made it up.

        It does so when a write fails, and its word replaces the edge's or is replaced by it, whichever comes later.
        """
        call = self._call
        for _ in range(_LOOKS):
            code = await call.code()
            if await call.details() != _MADE_UP:
                return error_of(code, await call.details(), await call.trailing_metadata())
            await asyncio.sleep(_LOOK_SECONDS)
        return Unavailable("the stream was cut")

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
