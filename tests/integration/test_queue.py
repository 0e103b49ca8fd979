"""A full edge serves who waits in the order of their coming, tells each its place, and sends away who does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.errors import InvalidValue, OutOfStep, Overloaded, Unavailable
from shared.speculation.messages import Finish, Finished, FinishReason, Propose
from shared.wire.handshake import Open, Opened, Queued
from shared.wire.statuses import RETRY_KEY
from tests.support.raw_device import RawDevice, RawStream, at, chunks, eager, opened_at, opening, resume
from tests.support.shim import Shim
from tests.support.system import a_picture, alone, asked, edge, eventually, toy_target

CANCEL = Finish(FinishReason.CANCELLED)


async def in_line(device: RawDevice, place: int, opened: Open | None = None) -> RawStream:
    """A stream that has been told that it stands at `place`."""
    stream = await device.stream(opened or opening())
    assert await stream.receive() == Queued(place)
    return stream


async def leave(*streams: RawStream) -> None:
    for stream in streams:
        await stream.send(CANCEL)
        await stream.until(Finished)
        await stream.ended()


@asynccontextmanager
async def full_edge(**changes: object) -> AsyncIterator[tuple[EdgeServer, RawDevice, RawStream]]:
    """An edge with one place, which a running answer has; afterwards no place is taken and nobody waits."""
    async with edge(**{"max_sessions": 1, **changes}) as server, at(server) as device:
        running, _ = await opened_at(device, [])
        yield server, device, running
        await eventually(lambda: (server.places, server.waiting), (0, 0))


async def test_who_waits_is_told_each_place_and_served_in_the_order_of_coming() -> None:
    async with full_edge() as (_, device, running):
        first, second, third = [await in_line(device, place) for place in (1, 2, 3)]
        await leave(running)
        await first.until(Opened)
        assert [await second.receive(), await third.receive()] == [Queued(1), Queued(2)]
        await leave(first)
        assert type(await second.receive()) is Opened
        assert await third.receive() == Queued(1)
        await leave(second)
        assert type(await third.receive()) is Opened
        await leave(third)


async def test_the_answer_to_who_has_waited_is_the_targets_own() -> None:
    async with full_edge() as (_, device, running):
        stream = await in_line(device, 1, eager(opening()))
        await leave(running)
        held: list[int] = []
        await stream.until(Opened)
        await stream.rest(held)
        await stream.goodbye()
    assert tuple(held) == alone(toy_target(), asked("tell me more", ignore_eos=True, max_tokens=40))


@pytest.mark.parametrize("how", ["finish", "cancel", "cut", "half close", "break a rule"])
async def test_who_leaves_the_line_makes_those_behind_move_up_at_once(how: str) -> None:
    async with (
        full_edge() as (server, device, running),
        Shim(server.port) as shim,
        RawDevice(shim.address) as quitter,
    ):
        going = await in_line(quitter, 1)
        behind = [await in_line(device, place) for place in (2, 3)]
        match how:
            case "finish":
                await going.send(CANCEL)
                assert await going.receive() == Finished(FinishReason.CANCELLED, 0)
                await going.ended()
            case "cancel":
                going.cancel()
            case "cut":
                shim.cut()
            case "half close":
                await going.half_close()
                refusal = await going.refusal()
                assert (type(refusal.error), "nothing had begun" in refusal.sentence) == (OutOfStep, True)
            case _:
                await going.send(Propose(0, 0, (256,)))
                assert type((await going.refusal()).error) is InvalidValue
        assert [await stream.receive() for stream in behind] == [Queued(1), Queued(2)]
        assert server.places == 1
        await leave(*reversed(behind), running)


async def test_a_parked_session_gives_its_place_to_who_waits() -> None:
    async with full_edge(max_sessions=2) as (server, device, running):
        other, opened = await opened_at(device, [])
        first, second = [await in_line(device, place) for place in (1, 2)]
        other.cancel()
        await first.until(Opened)
        assert await second.receive() == Queued(1)
        assert (await device.refusal(resume(opened, seen=1))).code is grpc.StatusCode.NOT_FOUND
        assert server.sessions == 2
        await leave(second, first, running)


async def test_a_reopened_answer_waits_like_any_other() -> None:
    answer = alone(toy_target(), asked("tell me more", ignore_eos=True, max_tokens=40))
    async with full_edge() as (_, device, running):
        stream = await in_line(device, 1, eager(opening(committed=answer[:7])))
        newcomer = await in_line(device, 2)
        await leave(running)
        held = list(answer[:7])
        await stream.until(Opened)
        await stream.rest(held)
        await stream.goodbye()
        assert tuple(held) == answer
        await newcomer.until(Opened)
        await leave(newcomer)


async def test_who_finds_the_line_full_is_refused_with_a_delay_in_the_form_of_grpc() -> None:
    async with full_edge(max_queue=1) as (_, device, running):
        waiting = await in_line(device, 1)
        stream = await device.stream(opening())
        refusal = await stream.refusal()
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refusal.sentence == "all 1 sessions of this edge are busy and 1 wait in line; try again in about 10 s"
        assert isinstance(refusal.error, Overloaded)
        assert refusal.error.retry_after == 10
        assert (RETRY_KEY, "10000") in await stream.trailing_metadata()
        await leave(waiting, running)


async def test_a_draining_edge_sends_the_line_away_and_lets_the_running_answer_end() -> None:
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=20, max_sessions=1), toy_target)
    await server.__aenter__()
    async with at(server) as device:
        running, _ = await opened_at(device, [])
        waiting = [await in_line(device, place) for place in (1, 2)]
        leaving = asyncio.create_task(server.__aexit__(None, None, None))
        for stream in waiting:
            refusal = await stream.refusal()
            assert type(refusal.error) is Unavailable
            assert refusal.sentence == "the edge is shutting down; try again, or another edge"
        await leave(running)
        await leaving


@pytest.mark.parametrize("cache_mib", [0, 256])
async def test_pictures_come_before_their_device_waits(cache_mib: int) -> None:
    picture = a_picture(seed=9)
    question = asked("what is it?", picture, ignore_eos=True, max_tokens=40)
    async with full_edge(image_cache_mib=cache_mib) as (_, device, running):
        stream = await device.stream(eager(opening("what is it?", picture)), *chunks(picture))
        assert (await stream.until(Queued)).place == 1
        await leave(running)
        held: list[int] = []
        await stream.until(Opened)
        await stream.rest(held)
        await stream.goodbye()
    assert tuple(held) == alone(toy_target(), question)


async def test_finish_before_the_pictures_are_there_ends_the_answer_well() -> None:
    picture = a_picture(seed=9)
    async with edge() as server, at(server) as device:
        stream = await device.stream(opening("?", picture), *chunks(picture)[:-1], CANCEL)
        assert await stream.receive() == Finished(FinishReason.CANCELLED, 0)
        await stream.ended()
        assert server.places == 0


async def test_a_crowd_leaves_nothing_and_everybody_is_served() -> None:
    async with edge(max_sessions=2, max_queue=100) as server, AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(at(server)) for _ in range(4)]

        async def ask(number: int) -> list[int]:
            stream = await devices[number % 4].stream(eager(opening(f"question {number}")))
            if number % 5 == 4:
                stream.cancel()
                return []
            held: list[int] = []
            await stream.until(Opened)
            await stream.rest(held)
            await stream.goodbye()
            return held

        answers = await asyncio.gather(*(ask(number) for number in range(30)))
        for number, held in enumerate(answers):
            if number % 5 != 4:
                wanted = asked(f"question {number}", ignore_eos=True, max_tokens=40)
                assert tuple(held) == alone(toy_target(), wanted)
        await eventually(lambda: (server.places - server.parked, server.waiting), (0, 0))
