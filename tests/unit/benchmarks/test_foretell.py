"""The foretold speed follows from the protocol, the times and the matches."""

from __future__ import annotations

import random

import pytest

from benchmarks.speed.foretell import Reach, Times, foretell

MS = 1e-3


def drawn(share: float, count: int, seed: int = 0) -> list[bool]:
    rng = random.Random(seed)
    return [rng.random() < share for _ in range(count)]


def test_a_draft_that_never_agrees_changes_nothing_when_tokens_are_free() -> None:
    alone = foretell([False] * 200, Times(draft=20 * MS, step=(50 * MS,), round_trip=30 * MS))
    assert alone.ratio == pytest.approx(1.0)
    assert alone.steps == 200


def test_a_draft_that_never_agrees_costs_little_when_tokens_are_dear() -> None:
    dear = Times(draft=1 * MS, step=(50 * MS, 100 * MS, 150 * MS), round_trip=30 * MS)
    assert foretell([False] * 1000, dear).ratio > 0.97


def test_a_draft_that_always_agrees_is_as_fast_as_it_can_draft() -> None:
    draft_bound = Times(draft=25 * MS, step=(50 * MS,), round_trip=0)
    assert foretell([True] * 400, draft_bound).seconds == pytest.approx(400 * 25 * MS, rel=0.15)


def test_a_window_bounds_what_a_step_brings() -> None:
    instant = Times(draft=0.01 * MS, step=(50 * MS,), round_trip=0)
    for window in (1, 4, 16):
        assert foretell([True] * 400, instant, Reach(window)).steps >= 400 / (window + 1)


@pytest.mark.parametrize(
    ("step", "draft", "round_trip", "share", "expected"),
    [
        (190, 55, 20, 0.75, 1.63),
        (190, 55, 20, 0.85, 2.01),
        (190, 55, 20, 0.92, 2.45),
        (190, 55, 200, 0.75, 1.36),
        (40, 30, 60, 0.85, 1.06),
        (12, 20, 60, 0.92, 1.00),
    ],
)
def test_it_agrees_with_an_independent_simulation(
    step: float, draft: float, round_trip: float, share: float, expected: float
) -> None:
    times = Times(draft * MS, (step * MS,), round_trip * MS)
    ratios = [foretell(drawn(share, 2000, seed), times).ratio for seed in range(3)]
    assert sum(ratios) / 3 == pytest.approx(expected, rel=0.04)


def test_a_lead_brings_tokens_with_the_first_commit_no_later_than_without() -> None:
    base = Times(draft=20 * MS, step=(50 * MS,), round_trip=30 * MS)
    early = Times(draft=20 * MS, step=(50 * MS,), round_trip=30 * MS, lead=0.3)
    matches = drawn(0.9, 100)
    assert foretell(matches, early).seconds <= foretell(matches, base).seconds


@pytest.mark.parametrize("each", [0.02, 0.1, 0.28, 0.6, 1.0])
@pytest.mark.parametrize("round_trip", [1, 20, 200])
def test_the_floor_holds_for_a_short_answer_whatever_a_token_costs(each: float, round_trip: float) -> None:
    curve = tuple(40 * (1 + each * more) * MS for more in range(17))
    assert foretell([False] * 45, Times(1 * MS, curve, round_trip * MS)).ratio > 0.97


@pytest.mark.parametrize("round_trip", [1, 20, 60, 200])
@pytest.mark.parametrize("share", [0.0, 0.75, 0.92, 1.0])
@pytest.mark.parametrize(("step", "draft"), [(190, 55), (40, 1)])
def test_to_tell_the_device_how_many_are_looked_at_slows_nobody(
    step: float, draft: float, share: float, round_trip: float
) -> None:
    curve = tuple((step + 4 * more) * MS for more in range(17))  # tokens cost a little: not all are looked at
    times = Times(draft * MS, curve, round_trip * MS)
    told, untold = (
        sum(foretell(drawn(share, 600, seed), times, Reach(told=told)).seconds for seed in range(3))
        for told in (True, False)
    )
    assert told < 1.02 * untold
