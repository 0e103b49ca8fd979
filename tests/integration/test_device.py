"""The device over a real edge: whatever its draft does, and however its answer ends, the text is the target's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from device_client.client import Client
from edge_server.engine.events import Observer, Step
from edge_server.engine.plan import Look
from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import Commit, Finished, FinishReason, Propose
from shared.speculation.reach import REST
from shared.vlm.port import Vlm
from shared.vlm.toy import ToyVlm
from shared.wire.codec import FromDevice
from tests.support.hostile_edge import OPENED, HostileEdge
from tests.support.system import (
    a_picture,
    alone,
    asked,
    counted_target,
    device,
    drained,
    edge,
    eventually,
    exact,
    nothing_alive,
    toy_draft,
    toy_target,
    whole,
)
from tests.support.toys import Steps

PACES = ["eager", "thrifty", "auto"]


def counted_draft(steps: Steps, **changes: float) -> ToyVlm:
    return toy_draft(step_seconds=1e-6, sleep=steps, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def system(
    draft: ToyVlm, load: Callable[[], Vlm] = toy_target, observer: Observer | None = None, **changes: object
) -> AsyncIterator[Client]:
    """A device at an edge of its own; afterwards nothing of either is left."""
    async with edge(load, observer) as server:
        async with device(f"127.0.0.1:{server.port}", draft, **changes) as client:
            yield client
        await eventually(lambda: server.places, 0)
    await nothing_alive()


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_a_slow_draft_changes_nothing(pace: str, temperature: float) -> None:
    async with system(toy_draft(token_seconds=0.005), pace=pace) as client:
        await exact(client, asked("are you slow?", temperature=temperature, max_tokens=30))


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("agreement", [0.0, 1.0])
async def test_a_draft_that_is_always_wrong_or_always_right_changes_nothing(pace: str, agreement: float) -> None:
    steps: list[Step] = []
    slow = partial(toy_target, step_seconds=0.003)  # so that proposals are worth a look
    async with system(toy_draft(agreement), slow, steps.append, pace=pace) as client:
        result = await exact(client, asked("are you right?", ignore_eos=True, max_tokens=100))
    looking = [step for step in steps if step.look is Look.WARM_UP and not step.prompt_tokens]
    assert all(step.admitted == step.waiting for step in looking)
    if pace == "thrifty":
        assert sum(step.admitted for step in looking) > 0
    if agreement == 1:
        assert all(step.stood == step.admitted for step in steps)
    assert result.figures.tokens == sum(step.committed for step in steps)
    assert result.figures.accepted_per_step == sum(step.stood for step in steps) / result.figures.steps


async def test_a_device_whose_proposals_are_not_looked_at_holds_two_at_most_and_rests_after_a_wrong_one() -> None:
    opened = replace(OPENED, sampling=replace(OPENED.sampling, max_tokens=80))
    told, held, stood = EdgeConversation(Rules(16, 64, 256), (255,)), [], []

    def commit_one(message: FromDevice) -> Iterator[Commit | Finished]:
        if not isinstance(message, Propose):
            return
        told.hear(message)
        held.append(message.base + len(message.ids) - message.seen)
        pending = told.pending()
        if message.seen < len(told.committed) or not pending.ids:
            return
        stood.append(message.seen % 3 > 0)  # every third is not what was proposed
        told.commit(pending, [pending.ids[0] if stood[-1] else 255])
        yield Commit(pending.start, tuple(told.committed[-1:]), (0,), admitted=0)
        for _ in range(0 if stood[-1] else REST):  # the edge steps on while the device rests
            if len(told.committed) < 80:
                told.commit(told.pending(), [255])
                yield Commit(len(told.committed) - 1, (255,), (0,), admitted=0)
        if len(told.committed) == 80:
            yield Finished(FinishReason.LENGTH, len(told.committed))

    steps = Steps()
    steps.hold()  # until the first commit is there: a path before it would be wrong, and the device rest at once
    async with (
        HostileEdge([opened, Commit(0, (255,), (0,), admitted=0)], commit_one) as hostile,
        device(f"127.0.0.1:{hostile.port}", counted_draft(steps)) as client,
    ):
        answer = await client.ask(asked("do you look?", temperature=1.0))
        reading = asyncio.create_task(whole(answer))
        await eventually(lambda: len(answer._conversation.committed), 1)
        steps.let_go()
        result = await reading
    assert len(result.ids) == 80
    assert 0 < sum(stood) < len(stood)
    assert max(held) == 2
    assert result.figures.thrown_away == result.figures.drafted - sum(stood)


@pytest.mark.parametrize("held_in", ["its first look", "the middle"])
async def test_a_draft_that_hangs_does_not_hold_up_the_edge(held_in: str) -> None:
    steps = Steps()
    question = asked("are you there?", ignore_eos=True, max_tokens=100)
    async with (
        edge(max_ahead=8) as server,
        device(f"127.0.0.1:{server.port}", counted_draft(steps)) as client,
    ):
        if held_in == "its first look":
            steps.hold()
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        steps.hold()
        await drained(pieces)  # many times max_ahead: what is read is acknowledged without the draft
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
        steps.let_go()
    await nothing_alive()


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("context", [4, 12, 40])
async def test_a_draft_with_less_context_goes_quiet(pace: str, context: int, caplog: pytest.LogCaptureFixture) -> None:
    async with system(toy_draft(context_length=context), pace=pace) as client:
        result = await exact(client, asked("how much do you remember?", ignore_eos=True, max_tokens=60))
    if pace == "thrifty":  # an eager edge may be done before
        assert "the device drafts no more for this answer" in caplog.text
    assert len(result.ids) == 60


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("bomb", [1, 2, 3, 10])
async def test_a_draft_that_breaks_is_warned_of_and_changes_nothing(
    pace: str, bomb: int, caplog: pytest.LogCaptureFixture
) -> None:
    target_steps, draft_steps = Steps(), Steps(bomb=bomb)
    async with (
        edge(lambda: counted_target(target_steps)) as server,
        device(f"127.0.0.1:{server.port}", counted_draft(draft_steps), pace=pace) as client,
    ):
        target_steps.hold()
        question = asked("are you broken?", a_picture(seed=1), ignore_eos=True, max_tokens=60)
        asking = asyncio.create_task(exact(client, question))
        await eventually(lambda: draft_steps.count >= bomb)
        target_steps.let_go()
        await asking
        assert "the draft failed: RuntimeError" in caplog.text
        await eventually(lambda: server.places, 0)


@pytest.mark.parametrize("pace", PACES)
async def test_without_drafting_the_edge_answers_alone(pace: str) -> None:
    steps = Steps()
    async with system(counted_draft(steps), pace=pace, drafting=False) as client:
        result = await exact(client, asked("alone?", ignore_eos=True, max_tokens=100, temperature=1.0))
    assert steps.count == 0
    assert result.figures.drafted == 0
    assert result.figures.accepted_per_step == 0
    assert result.figures.passes_per_token == 1


async def test_tokens_that_the_draft_does_not_know_make_it_go_quiet(caplog: pytest.LogCaptureFixture) -> None:
    async with system(toy_draft(rows=128), pace="thrifty") as client:
        question = asked("do you know these words?", ignore_eos=True, max_tokens=60)
        answer = await client.ask(question)
        await drained(answer.pieces())
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
    assert "a token that the draft does not know" in caplog.text


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("length", [1, 9])
async def test_a_stop_string_cuts_the_shown_text_exactly(pace: str, length: int) -> None:
    async with system(toy_draft(), pace=pace) as client:
        free = await exact(client, asked("when do you stop?", ignore_eos=True, max_tokens=60))
        begin = len(free.text) // 2
        stop = free.text[begin : begin + length]
        cut = await exact(client, asked("when do you stop?", ignore_eos=True, max_tokens=60, stop=(stop,)))
    assert cut.text == free.text[: free.text.index(stop)]
    assert cut.reason is FinishReason.STOP
    assert len(cut.ids) < len(free.ids)


@pytest.mark.parametrize("pace", PACES)
async def test_one_token_is_one_token(pace: str) -> None:
    async with system(toy_draft(1.0), pace=pace) as client:
        result = await exact(client, asked("yes or no?", max_tokens=1))
    assert (len(result.ids), result.reason) == (1, FinishReason.LENGTH)


async def test_the_same_seed_says_the_same_whatever_the_draft() -> None:
    question = asked("say something", temperature=1.0, seed=11)
    texts = set()
    for agreement in (0.0, 0.8):
        async with system(toy_draft(agreement)) as client:
            texts |= {(await exact(client, question)).text for _ in range(2)}
    assert len(texts) == 1


async def test_without_a_seed_the_edge_draws_one_and_tells_it() -> None:
    async with system(toy_draft()) as client:
        first, second = [await exact(client, asked("say something", temperature=1.0)) for _ in range(2)]
        assert first.parameters.seed != second.parameters.seed
        again = await exact(client, asked("say something", temperature=1.0, seed=first.parameters.seed))
        assert again.text == first.text


async def test_no_piece_holds_half_a_character() -> None:
    likelier = tuple((first_byte, 4.0) for first_byte in (6, 8, 11))  # of characters of 2, 3 and 4 bytes
    async with system(toy_draft()) as client:
        answer = await client.ask(asked("characters!", ignore_eos=True, max_tokens=200, logit_bias=likelier))
        pieces = [piece.text async for piece in answer.pieces()]
    assert all(pieces)
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces[:-1])  # the last one is where max_tokens cuts
    assert {len(character.encode()) for character in "".join(pieces)} >= {1, 2, 3, 4}


async def test_a_fast_draft_sends_several_tokens_in_a_message() -> None:
    target_steps, draft_steps = Steps(), Steps()
    target_steps.hold()  # until the window is drafted: however busy the machine, the draft is the faster one
    async with (
        edge(lambda: counted_target(target_steps)) as server,
        device(f"127.0.0.1:{server.port}", counted_draft(draft_steps, agreement=1.0), window=32) as client,
    ):
        asking = asyncio.create_task(exact(client, asked("how often do you send?", ignore_eos=True, max_tokens=33)))
        await eventually(lambda: draft_steps.count >= 32)
        target_steps.let_go()
        result = await asking
    kinds = {entry.kind: entry.tally.messages for entry in result.figures.traffic.entries}
    assert result.figures.drafted >= 32
    assert kinds["propose"] < result.figures.drafted / 2
