"""Counts of flips, and the interval around their rate."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.flips.figures import HEAD, Count, wilson
from benchmarks.flips.walks import Decision, Reference, Shape

SHAPE = Shape(answers=4, proposals=16)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 0.27753), (1, 10, 0.01788, 0.40415), (5, 10, 0.23659, 0.76341), (10, 10, 0.72247, 1.0)],
)
def test_the_interval_is_wilson_s(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=1e-5)


def test_nothing_is_known_without_trials() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_its_ends_are_the_rates_at_which_the_score_test_is_just_passed() -> None:
    """The definition: |seen - rate| = 1.96 standard deviations of the seen share at that rate."""
    for hits, trials in [(3, 2000), (40, 900)]:
        for rate in wilson(hits, trials):
            deviation = (rate * (1 - rate) / trials) ** 0.5
            assert abs(hits / trials - rate) / deviation == pytest.approx(1.96, abs=1e-4)


def reference(*margins: float) -> Reference:
    nothing: Any = None
    return Reference(nothing, nothing, nothing, nothing, tuple(range(len(margins))), margins)


def test_flips_and_the_answers_they_change_are_counted() -> None:
    references = [reference(9.0, 4.0, 0.5, 3.0), reference(9.0, 2.0), reference(9.0, 0.25, 6.0)]
    decisions = [
        [Decision(1, False, 4.0), Decision(2, True, -0.25), Decision(3, True, -1.0)],
        [Decision(1, False, 2.5)],
        [Decision(1, True, -0.25), Decision(2, False, 6.0)],
    ]
    count = Count.of(SHAPE, references, decisions)
    assert (count.tokens, count.flips, count.answers, count.differing) == (6, 3, 3, 2)
    assert count.margin_at_flips == 0.5
    assert count.margin == 2.5
    assert (count.moved, count.moved_most) == (0.5, 4.0)


def test_an_answer_without_a_second_token_decides_nothing() -> None:
    count = Count.of(SHAPE, [reference(9.0)], [[]])
    assert (count.tokens, count.flips, count.margin, count.moved) == (0, 0, None, None)
    assert "-" in count.line()


def test_a_line_is_as_wide_as_the_head_and_has_the_rate() -> None:
    count = Count(SHAPE, 2000, 3, 100, 2, 0.0125, 12.5, 0.001, 0.2)
    assert len(count.line()) == len(HEAD.splitlines()[1])
    assert "2000     3      1.5    0.5 to 4.4    2 of 100" in count.line()
