"""Walks along what the target said alone decide each position once, and a flip stays one flip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from torch import Tensor

from benchmarks.flips import __main__ as command
from benchmarks.flips import walks
from benchmarks.flips.walks import Reference, Shape, alone, walk
from benchmarks.held_out import held_out
from device_client.answer import Question
from shared.demo.pair import target_folder
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Block, Vlm
from shared.vlm.single import prefill
from shared.vlm.toy import ToyVlm
from tests.support import system
from tests.support.tiny_qwen import tiny_folder

SHAPES = [Shape(1, 0), Shape(4, 0), Shape(1, 4), Shape(3, 16)]
BENT = 5


@dataclass(eq=False)
class Recorder(ToyVlm):
    """A toy that notes the shape of each step."""

    steps: list[list[int]] = field(default_factory=list)

    def step(self, blocks: Sequence[Block]) -> list[Tensor]:
        self.steps.append([len(block.ids) for block in blocks if not block.prompt])
        return super().step(blocks)


@dataclass(eq=False)
class Bent(ToyVlm):
    """A toy whose choice at output position 5 is another in every step over more than one token."""

    def step(self, blocks: Sequence[Block]) -> list[Tensor]:
        begins = [block.decoder.length for block in blocks]
        rows = super().step(blocks)
        if sum(len(block.ids) for block in blocks) > 1:
            for block, begin, its in zip(blocks, begins, rows, strict=True):
                if begin < BENT <= begin + len(block.ids):  # the row after 5 tokens
                    its[BENT - begin - 1] *= -1
        return rows


def asked(number: int, temperature: float) -> Question:
    return held_out(number, "list", SamplingWish(temperature=temperature, seed=number))


def references(vlm: Vlm, count: int = 6, temperature: float = 0.7, most: int = 24) -> list[Reference]:
    return [alone(vlm, asked(number, temperature), most) for number in range(count)]


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_reference_is_what_the_target_says_alone(temperature: float) -> None:
    vlm = ToyVlm(seed=1)
    for number in range(3):
        question = asked(number, temperature)
        assert alone(vlm, question, 1000).ids == system.alone(vlm, question)
        assert alone(vlm, question, 4).ids == system.alone(vlm, question)[:4]


def test_margins_are_gaps_of_the_two_best_scores() -> None:
    vlm, question = ToyVlm(seed=1), asked(0, 0.0)
    told = alone(vlm, question, 3)
    _, rows = prefill(vlm, told.prompt, told.visual, ids=told.ids[:-1])
    best = rows.topk(2).values
    assert told.margins == pytest.approx((best[:, 0] - best[:, 1]).tolist())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("count", [1, 6])
def test_every_position_but_the_first_is_decided_once_and_in_order(shape: Shape, count: int) -> None:
    vlm = ToyVlm(seed=1)
    told = references(vlm, count)
    decided = [[decision.position for decision in its] for its in walk(vlm, told, shape, 0)]
    assert decided == [list(range(1, len(reference.ids))) for reference in told]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_step_is_full(shape: Shape) -> None:
    vlm = Recorder(seed=1)
    told = references(vlm)
    vlm.steps.clear()
    walk(vlm, told, shape, 0)
    full = [1 + shape.proposals] * shape.answers
    assert [step for step in vlm.steps if step] == [full] * len([step for step in vlm.steps if step])


def test_proposals_save_steps_and_some_do_not_stand() -> None:
    vlm = Recorder(seed=1)
    told = references(vlm)
    vlm.steps.clear()
    walk(vlm, told, Shape(1, 4), 0)
    tokens, steps = sum(len(reference.ids) - 1 for reference in told), len([step for step in vlm.steps if step])
    assert 2 < tokens / steps < 4


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_model_that_keeps_the_law_of_the_port_has_no_flip(shape: Shape) -> None:
    vlm = ToyVlm(seed=1)
    told = references(vlm)
    decisions = [(own, its) for own, found in zip(told, walk(vlm, told, shape, 0), strict=True) for its in found]
    assert not any(decision.flip for _, decision in decisions)
    assert all(decision.margin == pytest.approx(own.margins[decision.position]) for own, decision in decisions)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_flip_is_found_where_it_is_and_does_not_cascade(shape: Shape) -> None:
    vlm = Bent(seed=1)
    told = references(vlm)
    assert all(len(reference.ids) > BENT + 1 for reference in told)
    for its in walk(vlm, told, shape, 0):
        flips = [decision.position for decision in its if decision.flip]
        assert flips == ([] if shape == Shape(1, 0) else [BENT])
        assert all((decision.margin < 0) == decision.flip for decision in its)


def freely(vlm: Vlm, told: Reference, proposals: int) -> list[int]:
    """The answer in blocks of right proposals, for as long as they are right, following its own choices."""
    decoder, _ = prefill(vlm, told.prompt, told.visual)
    text, ids = [told.ids[0]], told.ids
    while len(text) < len(ids) and tuple(text) == ids[: len(text)]:
        pending = ids[len(text) : len(text) + proposals]
        (rows,) = vlm.step([Block(decoder, ids=(text[-1], *pending))])
        text += told.chooser.verify(rows, pending, text)
        decoder.truncate(min(decoder.length, len(text) - 1))
    return text[: len(ids)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_answer_run_freely_differs_if_and_only_if_it_has_a_flip(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "AGREEMENT", 1.0)
    vlm = load(str(tiny_folder()), dtype)
    told = [each for each in references(vlm, count=12, temperature=1.0, most=26) if len(each.ids) == 26]
    decisions = walk(vlm, told, Shape(1, 4), 0)  # 25 positions are five full blocks
    for reference, its in zip(told, decisions, strict=True):
        assert (freely(vlm, reference, 4) != list(reference.ids)) == any(decision.flip for decision in its)


def test_a_flip_in_float32_fails_the_run_and_one_in_bfloat16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SHAPES", (Shape(1, 0), Shape(2, 4)))
    monkeypatch.setattr(command, "TEMPERATURES", (0.7,))
    said: list[str] = []
    assert command.measure(lambda _: ToyVlm(seed=1), 2, 0, said.append)
    assert command.measure(lambda dtype: (ToyVlm if dtype == "float32" else Bent)(seed=1), 2, 0, said.append)
    assert not command.measure(lambda dtype: (Bent if dtype == "float32" else ToyVlm)(seed=1), 2, 0, said.append)


def test_the_packaged_target_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SHAPES", (Shape(1, 0), Shape(2, 4)))
    counts = list(command.counts(load(str(target_folder()), "bfloat16"), 0.7, 2, 0))
    assert [count.answers for count in counts] == [2, 2]
    assert counts[0].flips == 0
    assert counts[0].tokens == counts[1].tokens > 4
