"""Chances come to be what stands, whatever the draft's own word is worth, and follow when that changes."""

from __future__ import annotations

import math
import random
from statistics import mean

import pytest

from device_client.draft.calibration import Calibration
from shared.speculation.coupled import Choice

Law = tuple[float, float]  # a token stands with the chance logistic(a + b log(1 + gap))


def drawn(rng: random.Random) -> Choice:
    gap = rng.expovariate(0.5)
    return Choice(1, 2, gap, 2 / (1 + gap), gap / (1 + gap))


def truth(law: Law, choice: Choice) -> float:
    return 1 / (1 + math.exp(-law[0] - law[1] * math.log1p(choice.gap)))


def taught(calibration: Calibration, rng: random.Random, tokens: int, law: Law) -> None:
    for _ in range(tokens):
        choice = drawn(rng)
        calibration.saw(choice, stood=rng.random() < truth(law, choice))


def error(calibration: Calibration, law: Law) -> float:
    """Of a chance, in the mean."""
    rng = random.Random(9)
    return mean(abs(calibration.chance(choice) - truth(law, choice)) for choice in (drawn(rng) for _ in range(2000)))


@pytest.mark.parametrize("law", [(-1, 3), (-4, 3), (3, 0.5), (1, -1), (0, 0)])
def test_a_chance_is_what_stands(law: Law) -> None:
    calibration = Calibration()
    taught(calibration, random.Random(1), 1000, law)
    assert error(calibration, law) < 0.05


def test_a_hundred_tokens_teach_a_good_deal() -> None:
    calibration = Calibration()
    taught(calibration, random.Random(1), 100, (-4, 3))
    assert error(calibration, (-4, 3)) < 0.12


def test_a_draft_that_becomes_worse_is_noticed_within_a_hundred_tokens() -> None:
    calibration, rng = Calibration(), random.Random(2)
    taught(calibration, rng, 600, (1, 2))
    taught(calibration, rng, 100, (-4, 1))
    assert error(calibration, (-4, 1)) < 0.25
    assert calibration.typical < 0.5


def test_features_that_do_not_vary_break_nothing() -> None:
    calibration, same = Calibration(), Choice(1, None, 50.0, 0.0, 1.0)
    for number in range(20_000):
        calibration.saw(same, stood=number % 10 != 0)
    assert calibration.chance(same) == pytest.approx(0.9, abs=0.07)
    taught(calibration, random.Random(3), 500, (-2, 3))
    assert error(calibration, (-2, 3)) < 0.15


def test_a_draft_that_is_never_or_always_right_leaves_chances_between_zero_and_one() -> None:
    for stood in (False, True):
        calibration, rng = Calibration(), random.Random(4)
        taught(calibration, rng, 3000, (60.0 if stood else -60.0, 0.0))
        chances = [calibration.chance(drawn(rng)) for _ in range(100)]
        assert all(0 < chance < 1 and abs(chance - stood) < 0.1 for chance in chances)
