"""Streams break, cross and come again; sessions are parked, taken over, freed. The text stays the target's own."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial

import grpc
import pytest

from edge_server.server import EdgeServer
from shared.errors import EngineFailure, Overloaded, Superseded
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Propose, Yield
from shared.wire.handshake import ImageHeld, Opened
from tests.support.raw_device import RawDevice, RawStream, chunks, eager, opening, resume
from tests.support.shim import Shim
from tests.support.system import (
    a_picture,
    alone,
    asked,
    bystander,
    counted_target,
    device,
    drained,
    edge,
    eventually,
    exact,
    toy_draft,
    toy_target,
    whole,
)
from tests.support.toys import Steps

LENGTH = 40  # of what `opening` asks for
TELL_ME = asked("tell me more", ignore_eos=True, max_tokens=LENGTH)


def told() -> list[int]:
    """The answer to `opening`."""
    return list(alone(toy_target(), TELL_ME))


def at(server: EdgeServer) -> RawDevice:
    return RawDevice(f"127.0.0.1:{server.port}")


async def opened_at(device: RawDevice, held: list[int]) -> tuple[RawStream, Opened]:
    """A stream that has its session and the one token of the prefill."""
    stream = await device.stream(opening())
    opened = await stream.until(Opened)
    held += (await stream.until(Commit)).ids
    return stream, opened


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
        assert (commit.start, commit.accepted, commit.heard) == (2, (3,), 1)
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


async def test_finish_frees_the_session_at_once() -> None:
    async with edge() as server, at(server) as device:
        stream, _ = await opened_at(device, [])
        await stream.send(Finish(FinishReason.CANCELLED))
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


async def test_a_device_that_vanishes_while_its_picture_comes_leaves_its_place() -> None:
    async with edge(max_sessions=1) as server, Shim(server.port) as shim:
        picture = a_picture(seed=4)
        async with RawDevice(shim.address) as device:
            await device.stream(opening("?", picture), *chunks(picture)[:-1])
            await eventually(lambda: server.places, 1)
            shim.cut()
        await eventually(lambda: server.places, 0)
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
    async with edge(park_seconds=0.05) as server:
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
    async with edge(max_sessions=2) as server, at(server) as device:
        streams = [(await opened_at(device, []))[0] for _ in range(2)]
        refusal = await device.refusal(opening())
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert type(refusal.error) is Overloaded
        assert refusal.sentence == "all 2 sessions of this edge are busy; try again in a few seconds"
        await streams[0].send(Finish(FinishReason.CANCELLED))
        await streams[0].ended()
        streams[0], _ = await opened_at(device, [])
        for stream in streams:
            await stream.send(Finish(FinishReason.CANCELLED))
            await stream.ended()


async def test_a_device_that_says_nothing_is_stepped_no_further_than_max_ahead() -> None:
    steps = Steps()
    async with edge(lambda: counted_target(steps), max_ahead=5) as server, at(server) as device:
        stream = await device.stream(eager(opening()))
        held: list[int] = []
        while len(held) < 5:
            held += (await stream.until(Commit)).ids
        async with bystander(server):  # whose steps come in turn with those that must not come
            pass
        before = steps.count
        await stream.send(Propose(5, 5))
        while len(held) < 10:
            held += (await stream.until(Commit)).ids
        assert steps.count == before + 5
        await stream.send(Propose(10, 10))
        await stream.rest(held)
        assert held == told()
        await stream.goodbye()


async def test_a_picture_that_the_edge_holds_is_not_sent_again() -> None:
    picture = a_picture(seed=5, side=900)
    async with edge() as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        first = await exact(client, asked("what is it?", picture))
        second = await exact(client, asked("and what is behind it?", picture))
    assert first.figures.traffic.kind("image_chunk").payload > len(picture)
    assert second.figures.traffic.kind("image_chunk").payload < len(picture) / 4


async def test_a_device_that_waits_for_the_word_sends_nothing_of_a_held_picture() -> None:
    picture, other = a_picture(seed=6), a_picture(seed=7)
    async with edge() as server, at(server) as device:
        stream = await device.stream(opening("?", picture), *chunks(picture), Finish(FinishReason.CANCELLED))
        await stream.until(Finished)
        stream = await device.stream(opening("?", other, picture))
        assert await stream.until(ImageHeld) == ImageHeld((1,))
        await stream.send(*chunks(other), Yield(True))
        await stream.until(Opened)
        held: list[int] = []
        await stream.rest(held)
        assert tuple(held) == alone(toy_target(), asked("?", other, picture, ignore_eos=True, max_tokens=LENGTH))
        await stream.goodbye()


async def test_a_held_picture_under_a_wrong_size_is_not_taken() -> None:
    picture = a_picture(seed=6)
    async with edge() as server, at(server) as device:
        stream = await device.stream(opening("?", picture), *chunks(picture), Finish(FinishReason.CANCELLED))
        await stream.until(Finished)
        lie = opening("?", picture)
        lie = replace(lie, images=(replace(lie.images[0], size=len(picture) - 1),))
        refusal = await device.refusal(lie, *chunks(picture[:-1]))
        assert "SHA-256" in refusal.sentence


async def test_proposals_from_before_opened_are_verified_with_the_prefill() -> None:
    picture, steps = a_picture(seed=8), Steps()
    answer = alone(toy_target(), asked("?", picture, ignore_eos=True, max_tokens=LENGTH))
    async with edge(lambda: counted_target(steps)) as server, at(server) as device:
        *most, last = chunks(picture, size=1000)
        stream = await device.stream(opening("?", picture), *most)
        await stream.send(Propose(0, 0, answer[:5]), Propose(0, 5, answer[5:8]), last)
        commit = await stream.until(Commit)
        assert commit.ids == answer[:9]
        assert (commit.accepted, commit.heard) == ((8,), 2)
        assert steps.count == 2  # one look at the picture, one prefill
        await stream.send(Finish(FinishReason.CANCELLED))
        await stream.until(Finished)


async def test_answers_side_by_side_are_each_exact() -> None:
    slow = partial(toy_target, step_seconds=0.001)
    async with edge(slow) as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        wishes = [{"temperature": 0.0}, {"temperature": 1.0}, {"temperature": 1.0, "repetition_penalty": 1.3}]
        questions = [asked(f"question {i}", **wish) for i in range(4) for wish in wishes]
        await asyncio.gather(*(exact(client, question) for question in questions))
        await eventually(lambda: server.sessions, 0)


async def test_a_step_that_breaks_ends_its_answer_alone(caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps()
    async with edge(lambda: counted_target(steps)) as server, at(server) as device:
        other_held: list[int] = []
        other, _ = await opened_at(device, other_held)
        held: list[int] = []
        stream, opened = await opened_at(device, held)
        steps.bomb = steps.count + 1
        await stream.send(Yield(True))
        refusal = await stream.refusal()
        assert refusal.code is grpc.StatusCode.INTERNAL
        assert type(refusal.error) is EngineFailure
        assert refusal.sentence == "the engine failed: RuntimeError"
        assert "machine room" in caplog.text  # the log has what the device is not told
        assert (await device.refusal(resume(opened, seen=1))).code is grpc.StatusCode.NOT_FOUND
        await other.send(Yield(True))
        await other.rest(other_held)
        assert other_held == told()
        await other.goodbye()
        await eventually(lambda: server.sessions, 0)


async def test_a_step_that_breaks_while_nobody_listens_is_told_to_who_resumes() -> None:
    steps = Steps()
    async with edge(lambda: counted_target(steps)) as server, at(server) as device:
        stream, opened = await opened_at(device, [])
        steps.hold()
        await stream.send(Yield(True))
        await eventually(lambda: steps.count, 3)  # a step has begun
        steps.bomb = 3
        stream.cancel()
        await eventually(lambda: server.parked, 1)
        steps.let_go()
        refusal = await device.refusal(resume(opened, seen=1))
        assert refusal.code is grpc.StatusCode.INTERNAL
        await eventually(lambda: server.places, 0)


async def test_a_device_of_ours_outlives_a_step_that_breaks() -> None:
    steps = Steps(bomb=12)
    question = asked("shall we break it?", ignore_eos=True, max_tokens=LENGTH)
    async with (
        edge(lambda: counted_target(steps)) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(agreement=0.0)) as client,
    ):
        result = await exact(client, question)
        assert result.figures.reconnects == 2  # a resume that is not known any more, then an open
        await eventually(lambda: server.sessions, 0)


async def test_a_device_of_ours_gives_up_on_an_edge_that_breaks_every_time() -> None:
    def always(_: float) -> None:
        raise RuntimeError("a secret of the machine room")

    def broken() -> object:
        target = toy_target(step_seconds=1e-6)
        target.sleep = always
        return target

    async with edge(broken) as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:  # type: ignore[arg-type]
        with pytest.raises(EngineFailure, match=r"^the engine failed: RuntimeError$"):
            await whole(await client.ask(asked()))
        await eventually(lambda: server.sessions, 0)


async def test_a_reopened_answer_waits_for_a_place_at_a_full_edge(caplog: pytest.LogCaptureFixture) -> None:
    slow = partial(toy_target, step_seconds=0.002)
    question = asked("are you still there?", ignore_eos=True, max_tokens=100)
    async with (
        edge(slow, park_seconds=0, max_sessions=1) as server,
        Shim(server.port) as shim,
        device(shim.address, toy_draft()) as client,
        at(server) as rival,
    ):
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        shim.cut()
        await eventually(lambda: server.sessions, 0)
        stream, _ = await opened_at(rival, [])  # before the device is back
        reading = asyncio.create_task(drained(pieces))
        await eventually(lambda: "all 1 sessions of this edge are busy" in caplog.text)
        await stream.send(Finish(FinishReason.CANCELLED))
        await reading
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
