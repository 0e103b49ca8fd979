"""Whoever takes more than his share is refused by the name of the limit, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import pytest

from edge_server import stream as streams
from shared.errors import OutOfStep, Overloaded, Unavailable
from shared.speculation.messages import Commit, Ping, Propose
from shared.wire.handshake import ImageHeld, Opened
from tests.support.lab import ALICE, BOB, lab
from tests.support.raw_device import RawStream, Refusal, Sendable, at, chunks, eager, opened_at, opening, resume
from tests.support.system import a_picture, bystander, edge, eventually, nothing_alive

PICTURE = a_picture(seed=5, side=60)  # about 11 kB


async def flooded(stream: RawStream, messages: Sequence[Sendable]) -> Refusal:
    """How a stream ends that says one of `messages` after the other without waiting for anything."""
    ending = asyncio.create_task(stream.refusal())
    for message in messages:
        await stream.send(message)
        await asyncio.wait([ending], timeout=0.002)
        if ending.done():
            break
    return await ending


async def test_a_flood_of_messages_is_refused_by_name() -> None:
    async with edge(max_messages_per_second=20) as server, bystander(server), at(server) as device:
        stream, _ = await opened_at(device, [])
        refusal = await flooded(stream, [Propose(1, 1)] * 2000)
        assert (refusal.code, type(refusal.error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded)
        assert "more than 20 messages a second (max_messages_per_second" in refusal.sentence
    await nothing_alive()


async def test_large_messages_count_for_several_but_chunks_of_pictures_do_not() -> None:
    async with edge(max_messages_per_second=2) as server, at(server) as device:
        stream = await device.stream(opening("?", PICTURE), *chunks(PICTURE, size=4100))
        await stream.until(Commit)
        refusal = await device.refusal(opening("long " * 10_000))
        assert "(max_messages_per_second; 4096 bytes count as one)" in refusal.sentence
        stream = await device.stream(opening("?", PICTURE + b"x"))
        refusal = await flooded(stream, chunks(PICTURE + b"x", size=50))
        assert "max_messages_per_second" in refusal.sentence


async def test_chunks_of_a_picture_that_is_held_are_taken_once() -> None:
    async with edge() as server, at(server) as device:
        await (await device.stream(opening("?", PICTURE), *chunks(PICTURE))).until(Commit)
        stream = await device.stream(opening("?", PICTURE))
        await stream.until(ImageHeld)
        await stream.send(*chunks(PICTURE) * 2)
        assert "image_chunk.data is" in (await stream.refusal()).sentence


async def test_a_stream_that_waits_for_its_device_too_long_is_parked_and_can_be_resumed() -> None:
    async with edge(idle_seconds=0.1) as server, bystander(server), at(server) as device:
        stream, opened = await opened_at(device, [])
        refusal = await stream.refusal()
        assert (refusal.code, type(refusal.error)) == (grpc.StatusCode.UNAVAILABLE, Unavailable)
        assert refusal.sentence == "the device has said nothing for 0.1 s: resume the answer"
        await eventually(lambda: server.parked, 1)
        await (await device.stream(resume(opened, 1))).until(Commit)


async def test_signs_of_life_do_not_make_a_stream_less_idle() -> None:
    async with edge(idle_seconds=0.3) as server, at(server) as device:
        stream, _ = await opened_at(device, [])
        await stream.send(*[Ping()] * 20)
        assert "has said nothing for 0.3 s" in (await stream.refusal()).sentence


async def test_a_stream_beyond_its_age_is_parked_and_goes_on_elsewhere() -> None:
    async with edge(max_stream_seconds=1.0) as server, at(server) as device:  # it is opened by then
        stream = await device.stream(eager(opening()))
        opened = await stream.until(Opened)
        refusal = await stream.refusal()
        assert (refusal.code, refusal.sentence) == (
            grpc.StatusCode.UNAVAILABLE,
            "the stream is older than 1 s: resume the answer",
        )
        await eventually(lambda: server.parked, 1)
        held: list[int] = []
        again = await device.stream(resume(opened, 0))
        held += (await again.until(Commit)).ids
        assert held


async def test_who_says_nothing_at_all_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FIRST_SECONDS", 0.1)
    async with edge() as server, at(server) as device:
        stream = await device.stream()
        refusal = await stream.refusal()
        assert type(refusal.error) is OutOfStep
        assert refusal.sentence == "neither open nor resume came within 0.1 s"


async def test_a_tenant_has_its_share_of_places_and_no_more(tmp_path: object) -> None:
    tenants = lab(tmp_path).tenants(alice=ALICE, bob=BOB)  # type: ignore[arg-type]
    options = {"tenants": tenants, "max_sessions_per_tenant": 2, "max_sessions": 3}
    async with edge(**options) as server, at(server, ALICE) as alice, at(server, BOB) as bob:
        for _ in range(2):
            await opened_at(alice, [])
        refusal = await alice.refusal(opening())
        assert (refusal.code, type(refusal.error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded)
        assert "this tenant has 2 answers here" in refusal.sentence
        await opened_at(bob, [])


async def test_a_tenant_has_only_so_many_streams_that_say_nothing(tmp_path: object) -> None:
    tenants = lab(tmp_path).tenants(alice=ALICE, bob=BOB)  # type: ignore[arg-type]
    options = {"tenants": tenants, "max_sessions_per_tenant": 1}
    async with edge(**options) as server, at(server, ALICE) as alice, at(server, BOB) as bob:
        silent = [await alice.stream() for _ in range(18)]
        for stream in silent:
            await stream.accepted()
        refusal = await alice.refusal(opening())
        assert "this tenant has 18 streams here" in refusal.sentence
        await opened_at(bob, [])
        for stream in silent:
            stream.cancel()
