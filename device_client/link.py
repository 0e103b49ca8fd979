"""One stream to the edge: values in, values out, statuses turned into our errors, every byte counted.

Guarantees: `post` never waits; what is posted goes out in order and before the pictures' next chunk; whatever ends the
stream early is raised from `messages` as a CovspecError.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from types import TracebackType

import grpc

from shared.errors import CovspecError, Unavailable
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
from shared.wire.statuses import error_of
from shared.wire.v1 import verify_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["VerifyService"].full_name
_CHUNK = 16 * 1024  # bytes: small enough that a proposal never waits long behind a picture
_INFO_SECONDS = 5.0

# The ping timeout notices an edge that hangs without closing. A new channel must not share a connection that is dead.
_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_500),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 4 * 2**20),
)


def connect(address: str) -> grpc.aio.Channel:
    """A channel to the edge at `address`, host:port. Nothing is sent yet."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS)


async def server_info(channel: grpc.aio.Channel) -> ServerInfo:
    """What the edge serves. Raises Unavailable, and what the edge refuses with."""
    ask: grpc.aio.UnaryUnaryMultiCallable[pb.GetServerInfoRequest, bytes] = channel.unary_unary(
        f"/{_SERVICE}/GetServerInfo", request_serializer=pb.GetServerInfoRequest.SerializeToString
    )
    try:
        return decode_info(parse_info(await ask(pb.GetServerInfoRequest(), timeout=_INFO_SECONDS)))
    except grpc.aio.AioRpcError as failed:
        raise _error(failed) from None


class Link:
    """One stream. Use as `async with`; leaving it cancels what is not over."""

    def __init__(self, channel: grpc.aio.Channel, limits: Limits, ledger: Ledger) -> None:
        verify: grpc.aio.StreamStreamMultiCallable[pb.VerifyRequest, bytes] = channel.stream_stream(
            f"/{_SERVICE}/Verify", request_serializer=pb.VerifyRequest.SerializeToString
        )
        self._call = verify()
        self._limits = limits
        self._ledger = ledger
        self._posted: deque[FromDevice] = deque()
        self._chunks: deque[ImageChunk] = deque()
        self._wanted = asyncio.Event()
        self._closing = False
        self._refused: CovspecError | None = None  # what could not be sent, and why
        self._writer = asyncio.create_task(self._write())

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.cancel()
        with suppress(asyncio.CancelledError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._writer
        self._call.cancel()

    def post(self, message: FromDevice) -> None:
        """Send `message` as soon as the link takes it."""
        self._posted.append(message)
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
            async for data in self._call:
                response = parse_response(data)
                self._ledger.count(response)
                yield decode_response(response, self._limits)
        except grpc.aio.AioRpcError as failed:
            raise _error(failed) from None
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            raise self._refused or Unavailable("the stream was cut") from None

    async def finish(self) -> None:
        """Send all that is posted, then say that nothing follows."""
        self._closing = True
        self._chunks.clear()
        self._wanted.set()
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._writer

    async def _write(self) -> None:
        while True:
            while self._posted or self._chunks:
                message = self._posted.popleft() if self._posted else self._chunks.popleft()
                try:
                    request = encode_request(message)
                except CovspecError as refused:
                    self._refused = refused
                    self._call.cancel()
                    return
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


def _error(failed: grpc.aio.AioRpcError) -> CovspecError:
    return error_of(failed.code(), failed.details(), failed.trailing_metadata())
