"""Tokens in flight: the round trip times the rate, both from what came on this stream."""

from __future__ import annotations

import pytest

from device_client.flight import Flight
from shared.speculation.messages import Commit, Timings


def steady(flight: Flight, rate: float, round_trip: float, held: float = 0.0, steps: int = 10) -> None:
    """Commits of 2 tokens at `rate` tokens per second, each for a Propose posted a round trip and what was held ago."""
    for number in range(steps):
        posted = 100 + 2 * number / rate
        flight.proposed(posted)
        timings = Timings(held_us=round(held * 1e6))
        commit = Commit(2 * number, (7, 8), (1,), heard=number + 1, timings=timings)
        assert flight.committed(commit, posted + round_trip + held) == pytest.approx(round_trip, abs=1e-6)


@pytest.mark.parametrize(
    ("rate", "round_trip", "tokens"), [(20, 0.1, 2), (20, 0.11, 3), (100, 0.2, 20), (5, 0.001, 1), (20, 0.0, 0)]
)
def test_what_is_in_flight_is_what_comes_in_a_round_trip(rate: float, round_trip: float, tokens: int) -> None:
    flight = Flight()
    steady(flight, rate, round_trip - 1e-9)
    assert flight.tokens == tokens


def test_a_commit_that_tells_no_times_tells_of_no_round_trip() -> None:
    flight = Flight()
    flight.proposed(1.0)
    assert flight.committed(Commit(0, (7,), (0,), heard=1), 1.5) is None
    assert flight.committed(Commit(1, (7,), (0,), heard=1, timings=Timings(held_us=100_000)), 1.5) == pytest.approx(0.4)


def test_what_the_edge_held_is_no_part_of_the_round_trip() -> None:
    flight = Flight()
    steady(flight, rate=20, round_trip=0.1 - 1e-5, held=3.0)
    assert flight.tokens == 2


def test_nothing_is_known_before_a_round_trip_and_a_rate() -> None:
    flight = Flight()
    assert flight.committed(Commit(0, (7,), (0,)), 1.0) is None  # heard nothing
    assert flight.tokens is None
    flight.committed(Commit(1, (7,), (0,)), 1.0)  # at the same time: no rate
    assert flight.tokens is None
    flight.committed(Commit(2, (7,), (0,)), 2.0)
    assert flight.tokens is None  # no round trip
    flight.proposed(2.0)
    flight.committed(Commit(3, (7,), (0,), heard=1, timings=Timings()), 2.5)
    assert flight.tokens is not None


def test_one_slow_round_trip_counts_little() -> None:
    flight = Flight()
    steady(flight, rate=20, round_trip=0.09)
    flight.proposed(101.0)
    flight.committed(Commit(20, (7,), (0,), heard=11, timings=Timings()), 109.0)
    assert flight.tokens is not None
    assert flight.tokens <= 2


def test_a_rate_that_changes_is_followed() -> None:
    flight = Flight()
    steady(flight, rate=20, round_trip=0.1 - 1e-9)
    for number in range(20):
        flight.committed(Commit(20 + 4 * number, (7,) * 4, (3,)), 102 + number / 25)
    assert flight.tokens == 10


def test_a_break_is_no_rate_and_what_it_repeats_is_no_step() -> None:
    flight = Flight()
    steady(flight, rate=20, round_trip=0.1 - 1e-9)
    flight.new_stream()
    flight.committed(Commit(20, (7,) * 50), 160.0)
    assert flight.tokens == 2
    flight.proposed(160.0)
    flight.committed(Commit(70, (7,), (0,), heard=1, timings=Timings()), 160.1)
    assert flight.tokens == 2
    flight.committed(Commit(71, (7, 8), (1,)), 160.2)
    assert flight.tokens == 2


def test_proposes_of_an_older_stream_are_not_taken_for_those_of_a_new_one() -> None:
    flight = Flight()
    flight.proposed(1.0)
    flight.new_stream()
    assert flight.committed(Commit(0, (7,), (0,), heard=1), 9.0) is None
    flight.proposed(10.0)
    assert flight.committed(Commit(1, (7,), (0,), heard=1, timings=Timings()), 10.5) == pytest.approx(0.5)
