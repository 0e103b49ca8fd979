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


def test_the_step_is_the_one_last_told_and_the_beat_is_the_time_between_two() -> None:
    flight = Flight()
    for number in range(8):
        flight.proposed(number * 0.1)
        timings = Timings(step_us=40_000 + number) if number % 4 == 0 else None
        flight.committed(Commit(number, (7,), (0,), heard=number + 1, timings=timings), number * 0.1 + 0.05)
    assert flight.step == pytest.approx(0.040004)
    assert flight.beat == pytest.approx(0.1)


def test_steps_that_were_merged_are_as_many_beats() -> None:
    flight = Flight()
    for number in range(4):
        flight.committed(Commit(3 * number, (7, 7, 7), (0, 0, 0)), 0.3 * number)
    assert flight.beat == pytest.approx(0.1)


def sent_each(flight: Flight, seconds: float, round_trip: float, begin: float, end: float) -> None:
    """A device that proposes now and then, an edge that steps for 100 ms, and every fourth commit with its times."""
    now, step, number = begin, 0.1, 0
    posted: list[float] = []
    while now < end:
        while (posted[-1] if posted else begin - 1) + seconds <= now - round_trip / 2:
            posted.append(max(begin, (posted[-1] if posted else begin - seconds) + seconds))
            flight.proposed(posted[-1])
        arrival = now + step + round_trip / 2
        while posted and posted[-1] + seconds < arrival:  # what is posted before the commit comes
            posted.append(posted[-1] + seconds)
            flight.proposed(posted[-1])
        heard = sum(each + round_trip / 2 <= now for each in posted)
        held = round(1e6 * (now + step - posted[heard - 1] - round_trip / 2)) if heard else 0
        timings = Timings(100_000, held) if number % 4 == 0 else None
        flight.committed(Commit(number, (7,), (0,), heard=heard, timings=timings), arrival)
        number, now = number + 1, now + step


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.3), (0.3, 0.02), (0.05, 0.15)])
def test_a_link_that_changes_is_known_within_a_second(before: float, after: float) -> None:
    flight = Flight()
    sent_each(flight, 0.03, before, 10.0, 14.0)
    assert flight.round_trip == pytest.approx(before, abs=0.03)
    flight.new_stream()
    sent_each(flight, 0.03, after, 20.0, 21.0)
    assert flight.round_trip == pytest.approx(after, abs=0.03)


def test_drafts_are_a_median_of_the_last_second() -> None:
    flight = Flight()
    for number in range(16):
        flight.drafted(0.5 if number == 3 else 0.01, number * 0.02)
    assert flight.draft == pytest.approx(0.01)
    for number in range(6):
        flight.drafted(0.05, 5 + number * 0.02)
    assert flight.draft == pytest.approx(0.05)
