"""The shapes of a draft tree: what each weighs a branch by, against its formula worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_client.draft.branching import Limb, Trunk
from device_client.draft.shape import SHAPES
from shared.speculation.branches import Branch
from shared.speculation.coupled import Choice, Chooser
from shared.speculation.request import SamplingParameters

SURE, UNSURE = Choice(1, 2, 4.0, 0.1, 0.95), Choice(3, 4, 0.2, math.log(10), 0.5)


def trunk(shape: str, *choices: Choice, most: int = 4) -> Trunk:
    return Trunk(choices, [0.9] * len(choices), 0.6, 16, lambda at: 15 - at, most, SHAPES[shape])  # type: ignore[index]


def weight(of: Trunk, at: int, *more: Choice, other: int | None = None) -> float:
    """Of a branch by `other`, or by the path's second-best token there."""
    by = of.choices[at].runner_up if other is None else other
    assert by is not None
    return of.chance(Limb(Branch(at, by, [choice.token for choice in more]), list(more), [0.8] * len(more)))


def test_ours_weighs_by_what_stood() -> None:
    assert weight(trunk("best", SURE, UNSURE), 1, SURE) == pytest.approx(0.9 * (0.1 * 0.6) * 0.8)


def test_a_branch_by_a_token_that_nobody_expects_weighs_nothing() -> None:
    assert weight(trunk("best", SURE, UNSURE), 1, other=9) == 0


def test_behind_a_block_a_branch_weighs_what_the_target_is_likely_to_add() -> None:
    of = replace(trunk("best", SURE, SURE), behind=(UNSURE, 0.7))
    assert weight(of, 2, SURE, other=UNSURE.token) == pytest.approx(0.9**2 * 0.7 * 0.8)
    assert weight(of, 2, other=4) == pytest.approx(0.9**2 * (0.3 * 0.6))
    assert weight(of, 2, other=9) == weight(trunk("best", SURE, SURE), 2, other=UNSURE.token) == 0
    best = of.best([], 2, 0.0)
    assert [(limb.branch.at, limb.branch.other) for limb in best] == [(2, UNSURE.token), (2, 4)]
    assert of.best(best, 9, 0.0)[:2] == best  # they are there already


def test_eagle_weighs_by_the_drafts_own_probabilities() -> None:
    of = trunk("eagle2", SURE, UNSURE)
    assert weight(of, 1, SURE) == pytest.approx(0.95 * (0.5 * math.exp(-0.2)) * 0.95)
    assert weight(of, 0) == pytest.approx(0.05 * min(1, 0.95 * math.exp(-4.0) / 0.05))


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=6))
def test_without_noise_the_second_best_has_the_weight_of_its_probability(logits: list[float]) -> None:
    import torch

    choice = Chooser(SamplingParameters(9, temperature=0.0), ()).weigh(torch.tensor(logits), ())
    law = np.exp(np.array(logits, np.float32).astype(float) - max(logits))
    second = sorted(law / law.sum())[-2]
    assert SHAPES["eagle2"].odds(choice, 0.5, 0.5) == pytest.approx((choice.probability, second), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("choices", "width"), [((SURE,) * 4, 2), ((UNSURE,) * 4, 10), ((SURE, UNSURE), 6)])
def test_sage_is_narrow_where_the_draft_is_sure(choices: tuple[Choice, ...], width: int) -> None:
    shape = SHAPES["sage"]
    assert shape.width(choices, 16) == width
    assert shape.width(choices, 4) == min(4, width)
    assert shape.bar(0, 4) == pytest.approx(0.025)
    assert shape.bar(3, 4) == pytest.approx(0.1)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_the_likeliest_branches_come_first_and_no_more_than_the_shape_wants(shape: str) -> None:
    of = trunk(shape, UNSURE, SURE, UNSURE, UNSURE, most=3)
    best = of.best([], 9, 0.0)
    assert 0 < len(best) <= 3
    weights = [of.chance(limb) for limb in best]
    assert weights == sorted(weights, reverse=True)
    assert len({limb.branch.at for limb in best}) == len(best)  # no two where nothing is closed
    assert of.best([], 9, 1.0) == []
