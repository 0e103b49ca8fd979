"""What an edge does for its answers: it waits for acknowledgements, keeps pictures, and outlives a broken step."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial

import grpc
import pytest

from shared.errors import EngineFailure
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Propose, Yield
from shared.wire.handshake import ImageHeld, Opened
from tests.support.raw_device import at, chunks, eager, opened_at, opening, resume
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
    sent, sent_again = (result.figures.traffic.kind("image_chunk").payload for result in (first, second))
    assert sent > len(picture)
    assert sent_again < len(picture)  # what goes out before the edge's word comes is up to the link


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
    text = "many words " * 200  # so that eight are less than 2 % of it: no more are looked at before the first token
    answer = alone(toy_target(), asked(text, picture, ignore_eos=True, max_tokens=LENGTH))
    async with edge(lambda: counted_target(steps), prefill_chunk=4096) as server, at(server) as device:
        *most, last = chunks(picture, size=1000)
        stream = await device.stream(opening(text, picture), *most)
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
        assert result.figures.reconnects == 1  # a resume that is not known any more is none
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


@pytest.mark.parametrize("max_queue", [0, 1])
async def test_a_reopened_answer_waits_for_a_place_at_a_full_edge(
    max_queue: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    slow = partial(toy_target, step_seconds=0.002)
    question = asked("are you still there?", ignore_eos=True, max_tokens=100)
    async with (
        edge(slow, park_seconds=0, max_sessions=1, max_queue=max_queue) as server,
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
        await eventually(lambda: server.waiting == 1 or "all 1 sessions of this edge are busy" in caplog.text)
        await stream.send(Finish(FinishReason.CANCELLED))
        await reading
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
