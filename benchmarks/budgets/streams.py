"""Attacks on the edge's streams: slow uploads, large texts, openings without end, refused messages, large images."""

from __future__ import annotations

import asyncio
import io

import grpc
from PIL import Image

from benchmarks.budgets.attack import Tally, channel, forever, opening
from benchmarks.budgets.target import Target
from shared.speculation.request import ImageReference
from shared.wire.codec import FromDevice, encode_request
from shared.wire.handshake import ImageChunk
from shared.wire.v1 import verify_pb2 as pb

_VERIFY = "/" + pb.DESCRIPTOR.services_by_name["VerifyService"].full_name + "/Verify"
_PLACES, _LINE = 64, 64  # of an edge as it comes
_TEXT = 2**20 - 100
_CHUNK = 256 * 1024
Call = grpc.aio.StreamStreamCall[bytes, bytes]


async def slow_uploads(target: Target, tally: Tally) -> None:
    """A byte of an image every 8 s, on as many streams as there are places and places in line."""
    reference = ImageReference(bytes(32), 2**20)

    async def upload() -> None:
        async with channel(target) as its:
            call = await _said(its, opening("?", (reference,)))
            for offset in range(1000):
                await _write(call, encode_request(ImageChunk(0, offset, b"x")))
                await asyncio.wait([asyncio.ensure_future(call.read())], timeout=8)
                if call.done():
                    await _end(call)

    await forever(upload, tally, _PLACES + _LINE)


async def large_words(target: Target, tally: Tally) -> None:
    """Four streams that ask with 1 MiB of words."""
    await _texts(target, tally, "word " * (_TEXT // 5))


async def large_private(target: Target, tally: Tally) -> None:
    """Four streams that ask with all characters of Unicode plane 15, and a special token."""
    await _texts(target, tally, "".join(map(chr, range(0xF0000, 0xFFFFE))) * 3 + "<|im_end|>")


async def large_special(target: Target, tally: Tally) -> None:
    """Four streams that ask with a special token spelled 100,000 times."""
    await _texts(target, tally, "<|im_end|>" * (_TEXT // 10))


async def openings(target: Target, tally: Tally) -> None:
    """Eight streams at a time on one connection, each opened and cancelled at once."""
    async with channel(target) as its:

        async def attempt() -> None:
            call = await _said(its, opening("What is there?"))
            await call.initial_metadata()
            call.cancel()

        await forever(attempt, tally, 8)


async def refused(target: Target, tally: Tally) -> None:
    """Messages of 390 kB that are refused, 500 of them."""
    law = pb.SparseLaw(ids=range(4096), counts=[1] * 4096)
    request = pb.VerifyRequest()
    request.propose.ids.extend([2**31 - 1] * 32)
    for _ in range(32):
        request.propose.laws.add().CopyFrom(law)
    heavy = request.SerializeToString()

    async def attempt() -> None:
        if tally.taken + sum(tally.refused.values()) >= 500:
            await asyncio.sleep(3600)
        call = await _said(its, opening("What is there?", window=32))
        await call.read()
        await _write(call, heavy)
        await _end(call)

    async with channel(target) as its:
        await forever(attempt, tally, 2)


async def large_images(target: Target, tally: Tally) -> None:
    """Two openings with eight images of 64 million pixels each, 190 kB as PNG."""
    file = io.BytesIO()
    Image.new("RGB", (8000, 8000), "gray").save(file, "png")
    data = file.getvalue()
    images = (ImageReference.of(data),) * 8
    chunks = [
        encode_request(ImageChunk(index, offset, data[offset : offset + _CHUNK]))
        for index in range(len(images))
        for offset in range(0, len(data), _CHUNK)
    ]

    async def attempt() -> None:
        async with channel(target) as its:
            call = await _said(its, opening("What is there?", images))
            for chunk in chunks:
                await _write(call, chunk)
            await _end(call)

    await forever(attempt, tally, 2)


async def _texts(target: Target, tally: Tally, text: str) -> None:
    async def attempt() -> None:
        async with channel(target) as its:
            await _end(await _said(its, opening(text)))

    await forever(attempt, tally, 4)


async def _said(its: grpc.aio.Channel, first: FromDevice) -> Call:
    call: Call = its.stream_stream(_VERIFY)()
    await _write(call, encode_request(first))
    return call


async def _write(call: Call, request: pb.VerifyRequest | bytes) -> None:
    await call.write(request if isinstance(request, bytes) else request.SerializeToString())


async def _end(call: Call) -> None:
    """Read to the end. Raises AioRpcError if the edge has refused the stream."""
    while await call.read() is not grpc.aio.EOF:
        pass
    if await call.code() is not grpc.StatusCode.OK:
        raise grpc.aio.AioRpcError(await call.code(), grpc.aio.Metadata(), grpc.aio.Metadata())
