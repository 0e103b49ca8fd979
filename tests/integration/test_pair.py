"""The embedded pair through the whole system: exact against stock `generate()`, with a draft that looks."""

from __future__ import annotations

import asyncio
import random
from functools import cache
from typing import Any

import torch

from benchmarks.exact import Case, answer, cases
from device_client.answer import Question
from device_client.drafter import Drafter
from shared.demo.pair import draft_folder, target_folder
from shared.demo.world import HELD_OUT, ask_kind, draw, scene
from shared.speculation.request import Message, Picture, SamplingParameters, SamplingWish, Text
from shared.vlm.load import load
from shared.vlm.port import Vlm
from tests.support.oracle import Oracle
from tests.support.system import alone, edge

COUNT = 12  # every window, pace and temperature once


@cache
def draft() -> Vlm:
    torch.set_num_threads(1)
    return load(str(draft_folder()))


@cache
def target() -> Vlm:
    return load(str(target_folder()))


@cache
def answers_alone() -> list[tuple[Case, list[int]]]:
    oracle = Oracle(target_folder())
    return [
        (case, oracle.answer(case.question.images[0], case.prompt, case.temperature, case.number))
        for case in cases(COUNT)
    ]


async def test_answers_over_a_hostile_link_equal_stock_generate() -> None:
    rng = random.Random(3)
    async with edge(target) as server:
        for case, expected in await asyncio.to_thread(answers_alone):
            result = await answer(case, draft(), server.port, rng)
            assert list(result.ids) == expected, str(case)


def described(number: int) -> tuple[Question, list[int]]:
    """A question for a description of a held-out scene, and what the target says to it without noise."""
    unseen = scene(HELD_OUT + 1000 + number)
    asked = ask_kind(unseen, "describe", random.Random(number))
    question = Question((Message("user", (Picture(0), Text(asked.prompt))),), (), (draw(unseen),), SamplingWish())
    return question, list(alone(target(), question))


def agreement(question: Question, shown: Question, ids: list[int]) -> int:
    """How many of the target's tokens the draft proposes when it is shown the picture of `shown`."""
    drafter = Drafter(draft(), question.messages, shown.images)
    drafter.follow(SamplingParameters(max_tokens=len(ids)), draft().info.rows, draft().info.placeholder_ids)
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
        case = answers_alone()[0][0]
        drafter = Drafter(draft(), case.question.messages, case.question.images)
        drafter.follow(SamplingParameters(max_tokens=4), draft().info.rows, ())
        drafter.next([])
    finally:
        hook.remove()
    assert len(calls) == 1
