"""One direction of the emulated link: rate, delay, order, drops, losses, on a clock that the test owns."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.link.profile import Profile
from benchmarks.link.queueing import Count, Direction, Drop

SIZE = 1250  # bytes: 10 ms at 1 Mbit/s


def direction(**changes: float) -> Direction:
    return Direction(Profile(**{"delay_ms": 30, "mbit": 1, "queue_ms": 1000} | changes), random.Random(1))


def test_a_packet_alone_takes_its_line_time_and_the_delay() -> None:
    assert direction().arrive(5.0, SIZE) == pytest.approx(5.0 + 0.010 + 0.030)


def test_packets_that_come_together_leave_at_the_rate() -> None:
    line = direction()
    assert [line.arrive(0.0, SIZE) for _ in range(5)] == pytest.approx([0.04, 0.05, 0.06, 0.07, 0.08])


def test_an_idle_line_saves_nothing_up() -> None:
    line = direction()
    line.arrive(0.0, SIZE)
    assert line.arrive(100.0, SIZE) == pytest.approx(100.04)


def test_a_packet_that_would_wait_longer_than_the_queue_is_deep_is_dropped() -> None:
    line = direction(queue_ms=25)
    fates = [line.arrive(0.0, SIZE) for _ in range(5)]
    assert fates[:3] == pytest.approx([0.04, 0.05, 0.06])
    assert fates[3:] == [Drop.FULL, Drop.FULL]
    assert line.arrive(0.0051, SIZE) == pytest.approx(0.07)


def test_what_was_dropped_takes_no_line_time() -> None:
    line = direction(queue_ms=0)
    line.arrive(0.0, SIZE)
    assert line.arrive(0.009, SIZE) is Drop.FULL
    assert line.arrive(0.010, SIZE) == pytest.approx(0.05)


def test_losses_have_their_share_and_are_the_seeds() -> None:
    def fates(seed: int) -> list[bool]:
        line = Direction(Profile(delay_ms=1, mbit=1000, loss=0.02, queue_ms=1000), random.Random(seed))
        return [line.arrive(float(now), 100) is Drop.LOST for now in range(20_000)]

    assert fates(1) == fates(1) != fates(2)
    assert sum(fates(1)) / 20_000 == pytest.approx(0.02, abs=0.003)


def test_what_is_lost_in_the_air_took_its_line_time() -> None:
    line = direction(loss=1.0)
    assert line.arrive(0.0, SIZE) is Drop.LOST
    line.profile = Profile(delay_ms=30, mbit=1)
    assert line.arrive(0.0, SIZE) == pytest.approx(0.05)


def test_a_dark_link_takes_nothing_and_then_everything_again() -> None:
    line = direction()
    under_way = line.arrive(0.0, SIZE)
    line.dark = True
    assert [line.arrive(1.0, SIZE) for _ in range(2)] == [Drop.DARK, Drop.DARK]
    line.dark = False
    assert line.arrive(2.0, SIZE) == pytest.approx(2.04)
    assert under_way == pytest.approx(0.04)


def test_a_new_profile_holds_for_the_next_packet() -> None:
    line = direction()
    line.arrive(0.0, SIZE)
    line.profile = Profile(delay_ms=100, mbit=10)
    assert line.arrive(1.0, SIZE) == pytest.approx(1.101)


def test_every_packet_is_counted_once_with_its_fate() -> None:
    line = direction(queue_ms=25)
    for _ in range(5):
        line.arrive(0.0, SIZE)
    line.dark = True
    line.arrive(0.0, 1)
    assert line.count() == Count(packets=6, bytes=5 * SIZE + 1, full=2, lost=0, dark=1)


events = st.lists(
    st.tuples(st.floats(0, 0.1), st.integers(20, 1500), st.floats(0, 200), st.floats(0.1, 100)), min_size=1, max_size=50
)


@given(events)
def test_nothing_overtakes_and_nothing_is_early_whatever_the_profiles(
    events: list[tuple[float, int, float, float]],
) -> None:
    line, now, last = direction(), 0.0, 0.0
    for gap, size, delay_ms, mbit in events:
        now += gap
        line.profile = Profile(delay_ms=delay_ms, mbit=mbit, queue_ms=50)
        due = line.arrive(now, size)
        if not isinstance(due, Drop):
            assert due >= last
            assert due >= now + delay_ms / 1000 + size * 8 / (mbit * 1e6) - 1e-9
            last = due
