"""The embedded pair through the whole system: exact against stock `generate()`, with a draft that looks."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import torch

from benchmarks.exact.plan import plan, rounds
from benchmarks.exact.running import Lab, compare_all
from benchmarks.held_out import held_out
from device_client.answer import Question
from device_client.draft.drafter import Drafter
from shared.demo.pair import draft_folder, target_folder
from shared.demo.world import HELD_OUT, ask_kind, draw, scene
from shared.speculation.prints import CommonIds
from shared.speculation.request import Message, Picture, SamplingParameters, SamplingWish, Text
from shared.vlm.load import load
from shared.vlm.port import Vlm
from tests.support.system import alone, edge

COUNT = 12


@cache
def draft() -> Vlm:
    torch.set_num_threads(1)
    return load(str(draft_folder()))


@cache
def target() -> Vlm:
    return load(str(target_folder()))


async def test_answers_over_bad_links_equal_stock_generate() -> None:
    said: list[str] = []
    count = 10  # each way of sampling twice
    async with edge(target) as server:
        lab = Lab(server.port)
        outcomes = await compare_all(lab, rounds(plan(count, 3, await lab.paces())), said.append)
    assert len(outcomes) == count
    assert [str(outcome) for outcome in outcomes if not outcome.identical] == []
    assert sum(outcome.drafted for outcome in outcomes) > 0
    assert any(outcome.reconnects for outcome in outcomes)
    assert {outcome.case.sampling.top_p for outcome in outcomes if outcome.decided} == {0.9, 1.0}
    assert said[-1] == f"{count} of {count} answers, {count} identical"


def described(number: int) -> tuple[Question, list[int]]:
    """A question for a description of a held-out scene, and what the target says to it without noise."""
    unseen = scene(HELD_OUT + 1000 + number)
    asked = ask_kind(unseen, "describe", random.Random(number))
    question = Question((Message("user", (Picture(0), Text(asked.prompt))),), (), (draw(unseen),), SamplingWish())
    return question, list(alone(target(), question))


def agreement(question: Question, shown: Question, ids: list[int]) -> int:
    """How many of the target's tokens the draft proposes when it is shown the picture of `shown`."""
    drafter = Drafter(draft(), question.messages, shown.images)
    drafter.follow(
        SamplingParameters(max_tokens=len(ids)), CommonIds.below(draft().info.rows), draft().info.placeholder_ids
    )
    return sum(drafter.next(ids[:i]) == token for i, token in enumerate(ids))


def test_a_wrong_picture_lowers_the_draft_s_agreement() -> None:
    told = [described(number) for number in range(COUNT)]
    others = told[1:] + told[:1]
    tokens = sum(len(ids) for _, ids in told)
    right = sum(agreement(question, question, ids) for question, ids in told)
    wrong = sum(agreement(question, other, ids) for (question, ids), (other, _) in zip(told, others, strict=True))
    assert right > 0.75 * tokens
    assert wrong < right - 0.05 * tokens


def test_the_draft_s_vision_tower_runs_once_for_a_question() -> None:
    calls: list[Any] = []
    model: Any = draft()
    hook = model._model.model.visual.register_forward_hook(lambda *_: calls.append(1))
    try:
        question = held_out(0, "list", SamplingWish())
        drafter = Drafter(draft(), question.messages, question.images)
        drafter.follow(SamplingParameters(max_tokens=4), CommonIds.below(draft().info.rows), ())
        drafter.next([])
    finally:
        hook.remove()
    assert len(calls) == 1
