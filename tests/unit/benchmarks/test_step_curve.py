"""The cost of a step by its tokens, from steps that were seen."""

from __future__ import annotations

import pytest

from benchmarks.speed.cells import LONGEST_STEP, step_curve


def test_what_was_seen_is_the_median_of_what_was_seen() -> None:
    curve = step_curve([(1, 0.04), (1, 0.05), (1, 0.90), (3, 0.06)])
    assert curve[0] == 0.05
    assert curve[2] == 0.06
    assert curve[1] == pytest.approx(0.055)


def test_longer_steps_than_were_seen_go_on_as_the_others_rise() -> None:
    curve = step_curve([(size, 0.04 + 0.002 * size) for size in (1, 2, 4) for _ in range(5)])
    assert len(curve) == LONGEST_STEP
    assert curve[16] == pytest.approx(0.04 + 0.002 * 17)


def test_it_never_falls() -> None:
    curve = step_curve([(1, 0.05), (4, 0.02), (8, 0.06)])
    assert list(curve) == sorted(curve)


def test_steps_of_one_size_say_that_all_cost_the_same() -> None:
    assert set(step_curve([(1, 0.05)] * 4)) == {0.05}
