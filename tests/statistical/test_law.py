"""The law of the chosen token is softmax(logit / temperature) after penalties and masks. Seeds are fixed.

A fair sample fails a test with probability ALPHA; beside each law that must fit stands a wrong one that must not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from shared.speculation.coupled import Chooser
from shared.speculation.request import SamplingParameters

Law = NDArray[np.float64]  # [rows], sums to 1

ROW = torch.tensor([2.0, 0.5, 1.5, -0.5, 1.0, 0.0, 1.8, -0.6])
ALPHA = 0.001
SEEDS, POSITIONS = 75, 100  # one draw each
TEXT = [0, 2, 2]


def softmax(logits: Law) -> Law:
    weights: Law = np.exp(logits - logits.max())
    law: Law = weights / weights.sum()
    return law


def counts(row: torch.Tensor, first_seed: int = 0, text: list[int] | None = None, **parameters: Any) -> Law:
    """How often each id is chosen, over all seeds and positions (or after `text` alone, over seeds alone)."""
    chosen = []
    for seed in range(first_seed, first_seed + SEEDS * (POSITIONS if text else 1)):
        chooser = Chooser(SamplingParameters(9, seed=seed, **parameters), ())
        texts = [text] if text else [[0] * position for position in range(POSITIONS)]
        chosen += [chooser.choose(row, before) for before in texts]
    return np.bincount(chosen, minlength=len(row)).astype(np.float64)


def fits(observed: Law, law: Law) -> bool:
    """Pearson's chi-square test: whether more than ALPHA of all fair samples of `law` are as far from it."""
    possible = law > 0
    if observed[~possible].any():
        return False
    expected = observed.sum() * law[possible]
    assert expected.min() > 5  # else the statistic has another law
    return tail(float(((observed[possible] - expected) ** 2 / expected).sum()), int(possible.sum()) - 1) > ALPHA


def tail(statistic: float, freedom: int) -> float:
    """The probability that a chi-square variable is above `statistic`."""
    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


def masked(law: Law, kept: list[int]) -> Law:
    left = np.zeros_like(law)
    left[kept] = law[kept]
    cut: Law = left / left.sum()
    return cut


def test_the_tail_is_that_of_the_tables() -> None:
    tails = [tail(statistic, freedom) for statistic, freedom in [(13.816, 2), (24.322, 7), (103.442, 63)]]
    assert tails == pytest.approx([0.001] * 3, rel=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 0.7, 1.0, 1.5])
def test_tokens_follow_the_softmax_at_the_temperature(temperature: float) -> None:
    logits = ROW.double().numpy()
    observed = counts(ROW, temperature=temperature)
    assert fits(observed, softmax(logits / temperature))
    assert not fits(observed, softmax(logits / (1.15 * temperature)))
    assert not fits(observed, softmax(logits / (0.85 * temperature)))


# The law at temperature 1: ids 0, 6, 2, 4, 1, 5, 3, 7 have .30, .25, .18, .11, .07, .04, .02, .02 of it.
@pytest.mark.parametrize(
    ("masks", "kept"),
    [
        ({"top_k": 3}, [0, 2, 6]),
        ({"top_p": 0.8}, [0, 2, 4, 6]),
        ({"min_p": 0.2}, [0, 1, 2, 4, 6]),
        ({"top_k": 4, "top_p": 0.8}, [0, 2, 6]),
        ({"min_p": 0.3, "top_p": 0.6}, [0, 6]),
    ],
)
def test_masks_cut_the_law_and_leave_its_proportions(masks: dict[str, Any], kept: list[int]) -> None:
    law = softmax(ROW.double().numpy())
    observed = counts(ROW, temperature=1.0, **masks)
    assert fits(observed, masked(law, kept))
    assert not fits(observed, law)  # a mask that was forgotten


def test_penalties_and_bias_change_the_law_before_the_temperature() -> None:
    parameters: dict[str, Any] = {"repetition_penalty": 1.5, "frequency_penalty": 0.3, "presence_penalty": 0.2}
    observed = counts(ROW, text=TEXT, temperature=0.8, logit_bias=((5, 1.0),), **parameters)
    logits = ROW.double().numpy().copy()
    logits[5] += 1.0
    logits[[0, 2]] = logits[[0, 2]] / 1.5 - 0.3 * np.array([1, 2]) - 0.2
    assert fits(observed, softmax(logits / 0.8))
    logits[2] += 0.3  # a frequency that counts each id once
    assert not fits(observed, softmax(logits / 0.8))


def test_a_large_vocabulary_follows_its_law_as_well() -> None:
    """Many unlikely ids: most of what is chosen lies far below the best logit."""
    row = torch.randn(2000, generator=torch.Generator().manual_seed(5)) * 1.5
    row[1234] += 6
    observed, law = counts(row, temperature=1.0), softmax(row.double().numpy())
    groups = np.argsort(law, kind="stable").reshape(20, 100)
    assert fits(observed[groups].sum(1), law[groups].sum(1))
    warm = softmax(row.double().numpy() / 1.1)
    assert not fits(observed[groups].sum(1), warm[groups].sum(1))


@pytest.mark.parametrize(("seed_step", "position_step"), [(0, 1), (0, 2), (1, 0), (1, 1), (2**32, 0)])
def test_draws_of_neighbouring_positions_and_seeds_are_independent(seed_step: int, position_step: int) -> None:
    row = torch.tensor([0.6, 0.3, 0.0, 0.0])
    pairs = np.zeros((4, 4))
    for seed in range(0, 200, 2):
        left = Chooser(SamplingParameters(9, seed=seed, temperature=1.0), ())
        right = Chooser(SamplingParameters(9, seed=seed + seed_step, temperature=1.0), ())
        for position in range(0, 200, 4):
            first = left.choose(row, [0] * position)
            pairs[first, right.choose(row, [0] * (position + position_step))] += 1
    law = softmax(row.double().numpy())
    assert fits(pairs.ravel(), np.outer(law, law).ravel())


def test_dependent_draws_would_be_seen() -> None:
    """Of 10 draws one repeats the one before it: the test above must be able to fail."""
    law = np.full(4, 0.25)
    joint = 0.9 * np.outer(law, law) + 0.1 * np.diag(law)
    assert not fits(5000 * joint.ravel(), np.outer(law, law).ravel())
