"""Whatever the draft is left to see, the text is the target's own."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from benchmarks.held_out import held_out
from device_client.answer import Question
from device_client.prune.wish import PRUNERS
from shared.demo.pair import draft_folder, target_folder
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Vlm
from tests.support.system import a_picture, asked, device, edge, exact, toy_draft

NAMES = [name for name in PRUNERS if name != "verifier"]


@cache
def draft() -> Vlm:
    torch.set_num_threads(1)
    return load(str(draft_folder()))


@cache
def target() -> Vlm:
    return load(str(target_folder()))


async def test_every_pruner_and_budget_leaves_the_text_of_the_toy_as_it_is() -> None:
    async with edge() as server:
        for number, name in enumerate(NAMES):
            for keep in ("auto", "0", "1", "40%", "999"):
                wishes = {"temperature": number % 2, "seed": number, "max_tokens": 20, "ignore_eos": True}
                question = asked(f"what of {keep}?", a_picture(number, 60), a_picture(number + 1, 90), **wishes)
                async with device(f"127.0.0.1:{server.port}", toy_draft(), prune=name, keep=keep) as client:
                    await exact(client, question)


@pytest.mark.parametrize("name", NAMES)
async def test_every_pruner_leaves_the_text_of_the_pair_as_it_is(name: str) -> None:
    async with edge(target) as server:
        questions: list[Question] = [
            held_out(number, kind, SamplingWish(temperature=temperature, seed=number, max_tokens=24))
            for number, kind, temperature in ((3, "list", 0.0), (7, "where", 1.0))
        ]
        for question in questions:
            async with device(f"127.0.0.1:{server.port}", draft(), prune=name, keep="8.3%") as client:
                result = await exact(client, question, target())
                assert result.figures.drafted > 0
