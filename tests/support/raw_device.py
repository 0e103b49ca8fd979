"""A device played message by message, so that a test can say what no device of ours would: bytes go up as they are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeAlias, TypeVar

import grpc

from device_client.last_word import LastWord, Status
from edge_server.server import EdgeServer
from shared.errors import CovspecError
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Pace, Ping, Pong, Propose
from shared.speculation.prints import VocabularyPrint
from shared.speculation.request import ImageReference, Message, Part, Picture, SamplingWish, Text
from shared.vlm.toy import ToyVlm
from shared.wire.codec import FromDevice, FromEdge, decode_response, encode_request, parse_response
from shared.wire.handshake import DeviceProfile, ImageChunk, Limits, Open, Opened, Resume
from shared.wire.metadata import Metadata, bearer_metadata
from shared.wire.statuses import error_of
from shared.wire.v1 import verify_pb2 as pb

Sendable: TypeAlias = FromDevice | pb.VerifyRequest | bytes
Kind = TypeVar("Kind", bound=FromEdge)

_VERIFY = "/" + pb.DESCRIPTOR.services_by_name["VerifyService"].full_name + "/Verify"
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_send_message_length", -1),
)
_SECONDS = 20.0  # after which a test that waits for the edge has failed


@dataclass(frozen=True)
class Refusal:
    """How the edge ended a stream."""

    code: grpc.StatusCode
    sentence: str
    error: CovspecError  # what a device of ours makes of it


class RawDevice:
    """A channel of its own to the edge at `address`, which says `metadata` on each stream. Use as `async with`."""

    def __init__(self, address: str, metadata: Metadata = ()) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self._metadata = metadata

    async def __aenter__(self) -> RawDevice:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.close()

    async def stream(self, *messages: Sendable) -> RawStream:
        """A new stream that has sent `messages`."""
        verify: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(_VERIFY)
        stream = RawStream(verify(metadata=self._metadata))
        for message in messages:
            await stream.send(message)
        return stream

    async def refusal(self, *messages: Sendable) -> Refusal:
        """How the edge ends a stream that sends `messages`. What gRPC has hidden is asked for again."""
        for _ in range(3):
            refusal = await (await self.stream(*messages)).refused(_SECONDS / 10)
            if refusal is not None:
                return refusal
        raise AssertionError("the edge's status never came")


class RawStream:
    """One stream of a raw device."""

    def __init__(self, call: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
        self._call = call
        self._responses = aiter(call)
        self._last_word = LastWord(call)
        self._asked = 0  # signs of life that are to come

    async def send(self, *messages: Sendable) -> None:
        """Send `messages`. A stream that is over already is no error: `refusal` tells how it ended."""
        for message in messages:
            self._asked += isinstance(message, Ping)
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await self._call.write(_encoded(message))

    async def half_close(self) -> None:
        """Say that nothing more is sent."""
        await self._call.done_writing()

    async def accepted(self) -> None:
        """Wait until the edge has the stream."""
        async with asyncio.timeout(_SECONDS):
            await self._call.initial_metadata()

    def cancel(self) -> None:
        """Cut the stream."""
        self._call.cancel()

    async def receive(self) -> FromEdge | None:
        """The next message; None at an end without an error. Raises AioRpcError.

        A sign of life that the edge gives unasked, because it takes long, is passed over.
        """
        while True:
            async with asyncio.timeout(_SECONDS):
                data = await anext(self._responses, None)
            message = None if data is None else decode_response(parse_response(data), Limits())
            if not isinstance(message, Pong):
                return message
            if self._asked:
                self._asked -= 1
                return message

    async def until(self, kind: type[Kind]) -> Kind:
        """The next message of `kind`; others before it are passed over."""
        while not isinstance(message := await self.receive(), kind):
            assert message is not None, f"the stream ended before {kind.__name__}"
        return message

    async def refusal(self) -> Refusal:
        """Read to the end, which is an error."""
        refusal = await self.refused(_SECONDS)
        assert refusal is not None, "the edge's status never came"
        return refusal

    async def refused(self, seconds: float) -> Refusal | None:
        """The same; None if gRPC has hidden what the edge said, and that does not come within so many seconds."""
        try:
            while await self.receive() is not None:
                pass
        except grpc.aio.AioRpcError:  # not what gRPC makes up if a write fails
            status = await self._last_word.heard(seconds)
            if status is None:
                return None
            return Refusal(status.code, status.sentence, error_of(status.code, status.sentence, status.metadata))
        raise AssertionError("the stream ended without an error")

    async def trailing_metadata(self) -> list[tuple[str, str | bytes]]:
        """What the edge says beside the status."""
        return list(await self._call.trailing_metadata())

    async def ended(self) -> None:
        """Read to the end, which is none by an error."""
        while await self.receive() is not None:
            pass

    async def status(self) -> Status | None:
        """How the stream ended; None if gRPC has hidden it."""
        return await self._last_word.heard(_SECONDS / 20)

    async def rest(self, held: list[int]) -> Finished:
        """Read the answer to its end as a device that only reads: put what is committed in `held`, acknowledge it."""
        while True:
            match await self.receive():
                case Commit() as commit:
                    assert commit.start == len(held)
                    held += commit.ids
                    await self.send(Propose(len(held), len(held)))
                case Finished() as finished:
                    assert finished.length == len(held)
                    return finished
                case None:
                    raise AssertionError("the stream ended before the answer")

    async def goodbye(self) -> None:
        """End as a good device does."""
        await self.send(Finish(FinishReason.DONE))
        await self.ended()


def _encoded(message: Sendable) -> bytes:
    if isinstance(message, bytes):
        return message
    request = message if isinstance(message, pb.VerifyRequest) else encode_request(message)
    return request.SerializeToString()


PROFILE = DeviceProfile(ToyVlm().info.prints.vocabulary.reference, window=8, pace=Pace.THRIFTY)
OTHER_VOCABULARY = VocabularyPrint.of([f"other {i}" for i in range(256)])


def opening(
    text: str = "tell me more", *pictures: bytes, device: DeviceProfile = PROFILE, committed: tuple[int, ...] = ()
) -> Open:
    """An Open that the toy target takes. Thrifty: after the prefill's one token it steps over proposals alone."""
    parts: tuple[Part, ...] = (*(Picture(i) for i in range(len(pictures))), Text(text))
    sampling = SamplingWish(temperature=0, ignore_eos=True, max_tokens=40)
    references = tuple(ImageReference.of(picture) for picture in pictures)
    return Open((Message("user", parts),), references, sampling, device, committed)


def eager(opened: Open) -> Open:
    """The same, stepped whenever the edge is free."""
    return replace(opened, device=replace(opened.device, pace=Pace.EAGER))


def chunks(*pictures: bytes, size: int = 16 * 1024) -> list[ImageChunk]:
    """Whole pictures in parts."""
    return [
        ImageChunk(index, offset, picture[offset : offset + size])
        for index, picture in enumerate(pictures)
        for offset in range(0, len(picture), size)
    ]


def resume(opened: Opened, seen: int) -> Resume:
    """What goes on with that session."""
    return Resume(opened.session, opened.token, seen)


def at(server: EdgeServer, token: str = "") -> RawDevice:
    """A raw device at `server`."""
    return RawDevice(f"127.0.0.1:{server.port}", bearer_metadata(token) if token else ())


async def opened_at(device: RawDevice, held: list[int]) -> tuple[RawStream, Opened]:
    """A thrifty stream that has its session, and in `held` the one token of the prefill."""
    stream = await device.stream(opening())
    opened = await stream.until(Opened)
    held += (await stream.until(Commit)).ids
    return stream, opened
