"""A stream that is over has left nothing, however it ended: its memory does not wait for Python's collector.

The collector counts objects, not bytes: a few hundred streams that each keep their last message are gigabytes to it.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import FrameType

import pytest

from benchmarks.resident import in_use_mib
from edge_server.server import EdgeServer
from shared.speculation.messages import Commit, Finish, FinishReason
from shared.wire.handshake import ImageChunk, Opened, Queued
from shared.wire.v1 import verify_pb2 as pb
from tests.support.raw_device import PROFILE, RawDevice, at, opened_at, opening, resume
from tests.support.system import a_picture, edge, eventually

STREAMS = 6  # of each way to end
MANY = 80
MIB = 2**20
PICTURE = a_picture(1, side=360)
WIDE = replace(PROFILE, window=32)


def heavy_propose() -> bytes:
    """390 kB: 32 laws of 4096 ids for ids that no target has."""
    law = pb.SparseLaw(ids=range(4096), counts=[1] * 4096)
    request = pb.VerifyRequest()
    request.propose.ids.extend([2**31 - 1] * 32)
    for _ in range(32):
        request.propose.laws.add().CopyFrom(law)
    return request.SerializeToString()


HEAVY = heavy_propose()


async def refused_propose(device: RawDevice) -> None:
    stream = await device.stream(opening(device=WIDE))
    await stream.until(Opened)
    await stream.send(HEAVY)
    await stream.refusal()


async def refused_first_word(device: RawDevice) -> None:
    await (await device.stream(HEAVY)).refusal()


async def refused_garbage(device: RawDevice) -> None:
    await (await device.stream(b"\xff" * len(HEAVY))).refusal()


async def refused_open(device: RawDevice) -> None:
    await (await device.stream(opening("word " * 50_000))).refusal()


async def refused_second_open(device: RawDevice) -> None:
    stream, _ = await opened_at(device, [])
    await stream.send(opening("word " * 50_000))
    await stream.refusal()


async def refused_picture(device: RawDevice) -> None:
    wrong = bytes(len(PICTURE))
    await (await device.stream(opening("?", PICTURE), ImageChunk(0, 0, wrong))).refusal()


async def refused_committed(device: RawDevice) -> None:
    await (await device.stream(opening(committed=(7,) * 50))).refusal()


async def cancelled_in_an_upload(device: RawDevice) -> None:
    stream = await device.stream(opening("?", PICTURE), ImageChunk(0, 0, PICTURE[:300_000]))
    await stream.accepted()
    await asyncio.sleep(0.02)
    stream.cancel()


async def cancelled_before_a_word(device: RawDevice) -> None:
    stream = await device.stream()
    await stream.accepted()
    stream.cancel()


async def cancelled_in_an_answer(device: RawDevice) -> None:
    stream, _ = await opened_at(device, [])
    stream.cancel()


async def half_closed(device: RawDevice) -> None:
    stream, _ = await opened_at(device, [])
    await stream.half_close()
    await stream.refusal()


async def finished(device: RawDevice) -> None:
    stream, _ = await opened_at(device, [])
    await stream.send(Finish(FinishReason.CANCELLED))
    await stream.ended()


async def superseded(device: RawDevice) -> None:
    old, opened = await opened_at(device, [])
    new = await device.stream(resume(opened, seen=1))
    await old.refusal()
    await new.until(Commit)
    await new.send(Finish(FinishReason.CANCELLED))
    await new.ended()


async def cancelled_in_line(device: RawDevice) -> None:
    first, _ = await opened_at(device, [])
    streams = [first]
    while len(streams) < 5:  # the edge has four places
        streams.append(await device.stream(opening()))
    await streams[-1].until(Queued)
    for stream in streams:
        stream.cancel()


ENDS = [
    refused_propose,
    refused_first_word,
    refused_garbage,
    refused_open,
    refused_second_open,
    refused_picture,
    refused_committed,
    cancelled_in_an_upload,
    cancelled_before_a_word,
    cancelled_in_an_answer,
    cancelled_in_line,
    half_closed,
    finished,
    superseded,
]


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@asynccontextmanager
async def a_small_edge() -> AsyncIterator[tuple[EdgeServer, RawDevice]]:
    small = {"max_sessions": 4, "park_seconds": 0.01, "reuse_mib": 0, "image_cache_mib": 0}
    async with edge(**small) as server, at(server) as device:
        yield server, device


def held() -> Counter[str]:
    """What is alive of an edge's streams, and frames that may hold more."""
    alive: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        if str(kind.__module__).startswith(("edge_server.", "shared.speculation.", "shared.wire.")):
            alive[kind.__name__] += 1
        elif isinstance(thing, FrameType) and "/edge_server/" in thing.f_code.co_filename:
            alive[f"frame of {thing.f_code.co_name}"] += 1
    return alive


async def settled(server: EdgeServer) -> None:
    await eventually(lambda: (server.sessions, server.places, server.waiting), (0, 0, 0))
    await asyncio.sleep(0.05)


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_a_stream_leaves_no_object(end: Callable[[RawDevice], Awaitable[None]]) -> None:
    async with a_small_edge() as (server, device):
        await end(device)  # what the first one of a process makes stays
        await settled(server)
        before = held()
        for _ in range(STREAMS):
            await end(device)
        await settled(server)
        left = held() - before
        assert {kind: count for kind, count in left.items() if count >= STREAMS} == {}


@pytest.mark.usefixtures("collector_off")
async def test_refused_streams_leave_no_memory() -> None:
    async with a_small_edge() as (server, device):
        for _ in range(3):
            await refused_propose(device)
        await settled(server)
        before = in_use_mib()
        for _ in range(MANY):
            await refused_propose(device)
        await settled(server)
        assert in_use_mib() - before < 0.1 * MANY * len(HEAVY) / MIB
