"""Streams break, cross and come again; sessions are parked, taken over, freed. The text stays the target's own."""

from __future__ import annotations

import logging
from functools import partial

import grpc
import pytest

from shared.errors import Overloaded, Superseded
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Propose, Yield
from shared.wire.handshake import Opened
from tests.support.raw_device import RawDevice, at, chunks, eager, opened_at, opening, resume
from tests.support.shim import Shim
from tests.support.system import (
    a_picture,
    alone,
    asked,
    counted_target,
    edge,
    eventually,
    toy_target,
)
from tests.support.toys import Steps

LENGTH = 40  # of what `opening` asks for
TELL_ME = asked("tell me more", ignore_eos=True, max_tokens=LENGTH)


def told() -> list[int]:
    """The answer to `opening`."""
    return list(alone(toy_target(), TELL_ME))


async def test_the_newest_stream_wins_and_the_answer_goes_on_there() -> None:
    async with edge() as server, at(server) as one, at(server) as other:
        held: list[int] = []
        old, opened = await opened_at(one, held)
        new = await other.stream(resume(opened, seen=1))
        assert (await new.until(Opened)).token != opened.token
        refusal = await old.refusal()
        assert refusal.code is grpc.StatusCode.ABORTED
        assert type(refusal.error) is Superseded
        assert "newer stream" in refusal.sentence
        await new.send(Yield(True))
        await new.rest(held)
        assert held == told()
        await new.goodbye()
        await eventually(lambda: server.sessions, 0)


async def test_a_session_passes_through_many_streams_and_belongs_to_the_last() -> None:
    async with edge(partial(toy_target, step_seconds=0.001)) as server, at(server) as device:
        streams = [await device.stream(eager(opening()))]
        opened = await streams[0].until(Opened)
        for _ in range(10):
            streams.append(await device.stream(resume(opened, seen=0)))
            opened = await streams[-1].until(Opened)
        *old, new = streams
        for stream in old:
            assert type((await stream.refusal()).error) is Superseded
        held: list[int] = []
        await new.rest(held)
        assert held == told()
        await new.goodbye()
        await eventually(lambda: server.sessions, 0)


async def test_a_token_is_good_for_one_stream() -> None:
    async with edge() as server, at(server) as device:
        _, opened = await opened_at(device, [])
        new = await device.stream(resume(opened, seen=1))
        await new.until(Opened)
        assert (await device.refusal(resume(opened, seen=1))).code is grpc.StatusCode.NOT_FOUND
        await new.send(Yield(True))
        await new.rest([0])
        await new.goodbye()


async def test_what_was_said_before_a_resume_is_not_heard_after_it() -> None:
    answer = told()
    async with edge() as server, at(server) as device:
        held: list[int] = []
        old, opened = await opened_at(device, held)
        await old.send(Propose(1, 1, tuple(token ^ 1 for token in answer[1:4])))  # a path that is dead by now
        held += (await old.until(Commit)).ids
        new = await device.stream(resume(opened, seen=len(held)))
        commit = await new.until(Commit)
        assert (commit.start, commit.ids, commit.heard) == (2, (), 0)
        await old.send(Propose(2, 2, tuple(answer[2:6])), Finish(FinishReason.CANCELLED))  # too late
        assert type((await old.refusal()).error) is Superseded
        await new.send(Propose(2, 2, tuple(answer[2:5])))
        held += (commit := await new.until(Commit)).ids
        assert (commit.start, commit.heard) == (2, 1)
        while len(held) < 6:  # the edge may first take a step that looks at no proposals
            held += (await new.until(Commit)).ids
        await new.send(Propose(2, 5, tuple(answer[5:7])), Propose(6, 6), Yield(True))  # the first one is late: dead
        await new.rest(held)
        assert held == answer
        await new.goodbye()


async def test_a_finished_answer_whose_end_was_lost_is_resumed_to_its_end() -> None:
    steps = Steps()
    async with edge(lambda: counted_target(steps)) as server, Shim(server.port) as shim:
        async with RawDevice(shim.address) as device:
            stream = await device.stream(eager(opening()))
            opened = await stream.until(Opened)
            shim.stall()
            await eventually(lambda: steps.count, 1 + LENGTH)
            shim.cut()
            shim.flow()
            await stream.refusal()
        async with RawDevice(shim.address) as device:
            again = await device.stream(resume(opened, seen=0))
            held: list[int] = []
            finished = await again.rest(held)
            assert held == told()
            assert finished.reason is FinishReason.LENGTH
            await again.goodbye()
        await eventually(lambda: server.sessions, 0)


@pytest.mark.parametrize("reason", [FinishReason.CANCELLED, FinishReason.DONE])
async def test_finish_frees_the_session_at_once(reason: FinishReason) -> None:
    async with edge() as server, at(server) as device:
        stream, _ = await opened_at(device, [])
        await stream.send(Finish(reason))
        finished = await stream.until(Finished)
        assert (finished.reason, finished.length) == (FinishReason.CANCELLED, 1)
        await stream.ended()
        assert server.sessions == 0


@pytest.mark.parametrize("reason", [FinishReason.CANCELLED, FinishReason.DONE])
async def test_an_answer_that_its_device_ends_early_is_called_cancelled(reason: FinishReason) -> None:
    async with edge() as server, at(server) as device:
        picture = a_picture(seed=3)
        stream = await device.stream(opening("?", picture), *chunks(picture), Finish(reason))
        assert (await stream.until(Finished)).reason is FinishReason.CANCELLED
        await stream.ended()
        assert server.sessions == 0


async def test_a_vanished_device_parks_its_session(caplog: pytest.LogCaptureFixture) -> None:
    async with edge() as server, Shim(server.port) as shim:
        held: list[int] = []
        async with RawDevice(shim.address) as device:
            stream, opened = await opened_at(device, held)
            shim.cut()
            await stream.refusal()
        await eventually(lambda: server.parked, 1)
        assert server.sessions == 1
        async with RawDevice(shim.address) as device:
            again = await device.stream(resume(opened, seen=1), Yield(True))
            await again.rest(held)
            await again.goodbye()
        assert held == told()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_device_that_closes_its_channel_parks_its_session() -> None:
    async with edge() as server:
        async with at(server) as device:
            await opened_at(device, [])
        await eventually(lambda: server.parked, 1)


async def test_a_vanished_device_is_freed_at_once_where_nothing_is_parked() -> None:
    async with edge(park_seconds=0) as server, Shim(server.port) as shim, RawDevice(shim.address) as device:
        stream, opened = await opened_at(device, [])
        shim.cut()
        await stream.refusal()
        await eventually(lambda: server.sessions, 0)
        assert (await device.refusal(resume(opened, seen=1))).code is grpc.StatusCode.NOT_FOUND


async def test_a_device_that_vanishes_while_its_image_comes_takes_no_place() -> None:
    async with edge(max_sessions=1) as server, Shim(server.port) as shim:
        picture = a_picture(seed=4)
        async with RawDevice(shim.address) as device:
            stream = await device.stream(opening("?", picture), *chunks(picture)[:-1])
            await stream.accepted()
            assert server.places == 0
            shim.cut()
            await stream.refusal()
        assert server.places == 0
        async with at(server) as device:
            stream, _ = await opened_at(device, [])
            await stream.send(Finish(FinishReason.CANCELLED))


async def test_a_parked_session_expires() -> None:
    async with edge(park_seconds=0.05) as server:
        async with at(server) as device:
            _, opened = await opened_at(device, [])
        await eventually(lambda: server.sessions, 0)
        async with at(server) as device:
            assert (await device.refusal(resume(opened, seen=1))).code is grpc.StatusCode.NOT_FOUND


async def test_a_resumed_session_does_not_expire() -> None:
    async with edge(park_seconds=1.0) as server:  # time enough to come back
        held: list[int] = []
        async with at(server) as device, at(server) as other:
            stream, opened = await opened_at(device, held)
            stream.cancel()
            await eventually(lambda: server.parked, 1)
            again = await other.stream(resume(opened, seen=1))
            await again.until(Opened)
            async with at(server) as third:  # parked later, and gone when the first one's time would be over
                await opened_at(third, [])
            await eventually(lambda: server.sessions, 1)
            await again.send(Yield(True))
            await again.rest(held)
            await again.goodbye()
        assert held == told()


async def test_the_longest_parked_session_leaves_first_when_the_house_is_full() -> None:
    async with edge(max_sessions=2) as server, at(server) as device:
        opened = []
        for _ in range(2):
            stream, one = await opened_at(device, [])
            opened.append(one)
            stream.cancel()
            await eventually(lambda: server.parked, len(opened))
        again = await device.stream(resume(opened[0], seen=1))  # parked again, it is the younger one
        opened[0] = await again.until(Opened)
        again.cancel()
        await eventually(lambda: server.parked, 2)
        third, _ = await opened_at(device, [])
        assert server.sessions == 2
        assert (await device.refusal(resume(opened[1], seen=1))).code is grpc.StatusCode.NOT_FOUND
        again = await device.stream(resume(opened[0], seen=1), Finish(FinishReason.CANCELLED))
        await again.until(Finished)
        await third.send(Finish(FinishReason.CANCELLED))
        await third.until(Finished)


async def test_a_full_house_says_so() -> None:
    async with edge(max_sessions=2, max_queue=0) as server, at(server) as device:
        streams = [(await opened_at(device, []))[0] for _ in range(2)]
        refusal = await device.refusal(opening())
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert type(refusal.error) is Overloaded
        assert refusal.sentence == "all 2 sessions of this edge are busy; try again in about 3 s"
        assert refusal.error.retry_after == 2.5  # of 5 s, before any tenure has been seen
        await streams[0].send(Finish(FinishReason.CANCELLED))
        await streams[0].ended()
        streams[0], _ = await opened_at(device, [])
        for stream in streams:
            await stream.send(Finish(FinishReason.CANCELLED))
            await stream.ended()
