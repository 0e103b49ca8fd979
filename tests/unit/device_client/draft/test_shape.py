"""The shapes of a draft tree: what each weighs a branch by, against its formula worked out by hand."""

from __future__ import annotations

import math

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
    return Trunk(choices, [0.9] * len(choices), 0.6, 16, most, SHAPES[shape])  # type: ignore[index]


def weight(of: Trunk, at: int, *more: Choice) -> float:
    limb = Limb(Branch(at, 9, [choice.token for choice in more]), list(more), [0.8] * len(more))
    return of.chance(limb)


def test_ours_weighs_by_what_stood() -> None:
    assert weight(trunk("best", SURE, UNSURE), 1, SURE) == pytest.approx(0.9 * (0.1 * 0.6) * 0.8)


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
    assert len({limb.branch.at for limb in best}) == len(best)
    assert of.best([], 9, 1.0) == []
