"""Pairs take turns, and an estimate is where its pairs are."""

from __future__ import annotations

import random

from device_client.bench.pairs import in_turn, of_pairs


def test_each_way_comes_first_equally_often_and_neighbours_are_alike() -> None:
    orders = [order for _, order in in_turn("a", "b", 6)]
    assert orders == [("a", "b"), ("b", "a")] * 3


def test_an_interval_holds_the_true_median_about_as_often_as_it_says() -> None:
    rng = random.Random(0)
    held = 0
    for _ in range(60):
        estimate = of_pairs([rng.gauss(1.5, 0.2) for _ in range(20)])
        held += estimate.low <= 1.5 <= estimate.high
    assert 50 <= held <= 60


def test_one_slow_moment_does_not_move_the_estimate() -> None:
    calm = [1.5 + 0.01 * i for i in range(-10, 11)]
    assert of_pairs([*calm[:-1], 30.0]).middle == of_pairs(calm).middle


def test_an_estimate_is_the_same_for_the_same_pairs() -> None:
    assert of_pairs([1.0, 1.4, 2.0]) == of_pairs([1.0, 1.4, 2.0])
