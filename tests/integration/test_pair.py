"""The embedded pair through the whole system: exact against stock `generate()`, with a draft that looks."""

from __future__ import annotations

import asyncio
import random
from functools import cache, partial
from typing import Any

import torch

from benchmarks.exact import Case, answer, cases
from device_client.drafter import Drafter
from shared.demo.pair import draft_folder, target_folder
from shared.speculation.request import SamplingParameters
from shared.vlm.load import load
from shared.vlm.port import Vlm
from tests.support.oracle import Oracle
from tests.support.system import edge

COUNT = 12  # every window, pace and temperature once


@cache
def draft() -> Vlm:
    torch.set_num_threads(1)
    return load(str(draft_folder()))


@cache
def answers_alone() -> list[tuple[Case, list[int]]]:
    oracle = Oracle(target_folder())
    return [
        (case, oracle.answer(case.question.images[0], case.prompt, case.temperature, case.number))
        for case in cases(COUNT)
    ]


async def test_answers_over_a_hostile_link_equal_stock_generate() -> None:
    rng = random.Random(3)
    async with edge(partial(load, str(target_folder()))) as server:
        for case, expected in await asyncio.to_thread(answers_alone):
            result = await answer(case, draft(), server.port, rng)
            assert list(result.ids) == expected, str(case)


def agreement(case: Case, expected: list[int], shown: Case) -> int:
    """How many tokens of the target's text the draft proposes when it is shown the picture of `shown`."""
    drafter = Drafter(draft(), case.question.messages, shown.question.images)
    parameters = SamplingParameters(max_tokens=len(expected), seed=case.number, temperature=case.temperature)
    drafter.follow(parameters, draft().info.rows, draft().info.placeholder_ids)
    return sum(drafter.next(expected[:i]) == token for i, token in enumerate(expected))


def test_a_wrong_picture_lowers_the_draft_s_agreement() -> None:
    told = answers_alone()
    right = sum(agreement(case, ids, case) for case, ids in told)
    wrong = sum(agreement(case, ids, other) for (case, ids), (other, _) in zip(told, told[1:] + told[:1], strict=True))
    tokens = sum(len(ids) for _, ids in told)
    assert right > 0.7 * tokens
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
