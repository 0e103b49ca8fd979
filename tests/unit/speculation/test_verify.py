"""To verify a block is to choose one by one: what was proposed decides how much is said at once, never what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.speculation.coupled import Chooser
from shared.speculation.request import SamplingParameters

QUICK = settings(derandomize=True, deadline=None, max_examples=150)
ROWS = 12
LENGTH = 20

parameter_sets = st.builds(
    SamplingParameters,
    max_tokens=st.just(LENGTH),
    seed=st.integers(0, 2**64 - 1),
    temperature=st.sampled_from([0.0, 0.5, 1.0]),
    top_k=st.sampled_from([0, 3]),
    top_p=st.sampled_from([1.0, 0.8]),
    repetition_penalty=st.sampled_from([1.0, 1.5]),
    frequency_penalty=st.sampled_from([0.0, 0.7]),
    presence_penalty=st.sampled_from([0.0, 0.7]),
    logit_bias=st.sampled_from([(), ((3, 1.5),)]),
    eos_ids=st.sampled_from([(), (4,), (1, 5)]),
    stop_ids=st.sampled_from([(), (6,)]),
)


def row_after(text: Sequence[int]) -> torch.Tensor:
    """A model's row: the same for the same text, another for another."""
    seed = int.from_bytes(bytes([len(text), *text[-6:]]))
    return torch.randn(ROWS, generator=torch.Generator().manual_seed(seed)) * 2


def alone(chooser: Chooser, ends: frozenset[int]) -> list[int]:
    """The text without a draft, one token at a time."""
    text: list[int] = []
    while len(text) < LENGTH and not (text and text[-1] in ends):
        text.append(chooser.choose(row_after(text), text))
    return text


def block(before: Sequence[int], pending: Sequence[int]) -> torch.Tensor:
    """The rows of one forward: after `before`, and after each of `pending`."""
    return torch.stack([row_after([*before, *pending[:count]]) for count in range(len(pending) + 1)])


def agreement(left: Sequence[int], right: Sequence[int]) -> int:
    same = [a == b for a, b in zip(left, right, strict=False)]
    return same.index(False) if False in same else len(same)


@st.composite
def drafts(draw: st.DrawFn, truth: Sequence[int], position: int) -> list[int]:
    """The next tokens, maybe with one of them changed, maybe going on beyond the end of the answer."""
    pending = [*truth[position:], *draw(st.lists(st.integers(0, ROWS - 1), max_size=3))]
    pending = pending[: draw(st.integers(0, 6))]
    changed = draw(st.none() | st.integers(0, 5))
    if changed is not None and changed < len(pending):
        pending[changed] = draw(st.integers(0, ROWS - 1))
    return pending


@QUICK
@given(st.data(), parameter_sets, st.lists(st.integers(0, ROWS - 1), max_size=4))
def test_a_block_says_the_agreeing_proposals_and_one_token_more(
    data: st.DataObject, parameters: SamplingParameters, prompt: list[int]
) -> None:
    chooser = Chooser(parameters, prompt)
    truth = alone(chooser, parameters.end_ids)
    position = data.draw(st.integers(0, len(truth) - 1))
    pending = data.draw(drafts(truth, position))
    rest = truth[position:]
    if len(truth) == LENGTH:  # not ended: the block may go on behind what `alone` said
        pending = pending[: len(rest) - 1]
    said = chooser.verify(block(truth[:position], pending), pending, truth[:position])
    assert said == rest[: agreement(rest, pending) + 1]


@QUICK
@given(st.data(), parameter_sets)
def test_the_text_is_the_same_with_and_without_proposals(data: st.DataObject, parameters: SamplingParameters) -> None:
    chooser = Chooser(parameters, (2, 7))
    truth = alone(chooser, parameters.end_ids)
    text: list[int] = []
    while len(text) < len(truth):
        pending = data.draw(drafts(truth, len(text)))
        text += chooser.verify(block(text, pending), pending, text)
    assert text[:LENGTH] == truth


@pytest.mark.parametrize("named", ["eos_ids", "stop_ids"])
def test_nothing_is_said_after_an_end_inside_the_proposals(named: str) -> None:
    rows = torch.eye(5)[[1, 2, 3, 0]]
    chooser = Chooser(SamplingParameters(9, **{named: (2,)}), ())  # type: ignore[arg-type]
    assert chooser.verify(rows, (1, 2, 3), ()) == [1, 2]


@pytest.mark.parametrize("parameters", [{"presence_penalty": 0.5}, {"frequency_penalty": 0.5}])
def test_penalties_see_the_proposals_before_each_row(parameters: dict[str, float]) -> None:
    rows = torch.tensor([[1.0, 0.9, 0.8, 0.0]]).repeat(4, 1)
    chooser = Chooser(SamplingParameters(9, **parameters), ())  # type: ignore[arg-type]
    assert chooser.verify(rows, (0, 1, 2), ()) == [0, 1, 2, 0]


def test_penalties_see_the_proposals_as_they_see_the_prompt() -> None:
    rows = torch.tensor([[1.0, 0.9, 0.8, 0.7]]).repeat(3, 1)
    chooser = Chooser(SamplingParameters(9, repetition_penalty=2.0), (0,))
    assert chooser.verify(rows, (1, 2), ()) == [1, 2, 3]


def test_noise_belongs_to_the_output_position_not_to_the_place_in_the_block() -> None:
    rows = torch.zeros(4, ROWS)
    chooser = Chooser(SamplingParameters(99, seed=3, temperature=1.0), ())
    text = [chooser.choose(rows[0], [0] * position) for position in range(10)]
    for position in range(7):
        before, pending = text[:position], text[position : position + 3]
        assert chooser.verify(rows, pending, before) == text[position : position + 4]
    assert len(set(text)) > 3


@pytest.mark.parametrize("count", [1, 3])
def test_rows_that_do_not_fit_the_proposals_are_not_verified(count: int) -> None:
    with pytest.raises(ValueError, match="rows"):
        Chooser(SamplingParameters(9), ()).verify(torch.zeros(count, 4), (0,), ())


def test_what_was_given_is_not_changed() -> None:
    before, pending = [1, 2], [3]
    rows = torch.zeros(2, ROWS)
    Chooser(SamplingParameters(9, presence_penalty=1.0, logit_bias=((1, 2.0),)), ()).verify(rows, pending, before)
    assert (before, pending) == ([1, 2], [3])
    assert not np.any(rows.numpy())
