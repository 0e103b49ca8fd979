"""When an edge that says nothing is asked for a sign of life, and when it is given up."""

from __future__ import annotations

import pytest

from device_client.silence import Tempo, hello_seconds, quiet_seconds, reply_seconds, unasked_seconds


def test_an_edge_is_asked_when_it_is_late_for_its_own_steps() -> None:
    assert quiet_seconds(Tempo(), 0) == 0.25
    assert quiet_seconds(Tempo(step=0.01), 0) == 0.25
    assert quiet_seconds(Tempo(step=0.5), 0) == 1.5


def test_an_edge_that_answers_and_says_nothing_else_is_asked_ever_more_rarely() -> None:
    assert [quiet_seconds(Tempo(), answered) for answered in range(8)] == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    assert quiet_seconds(Tempo(step=30.0), 10**9) == 10


@pytest.mark.parametrize(("round_trip", "reply"), [(None, 1.0), (0.01, 1.0), (0.2, 1.0), (0.6, 3.0)])
def test_a_sign_of_life_may_take_five_round_trips_and_a_second_at_least(round_trip: float | None, reply: float) -> None:
    assert reply_seconds(Tempo(round_trip=round_trip)) == pytest.approx(reply)


def test_a_new_stream_may_take_longer() -> None:
    assert hello_seconds(Tempo()) == 3.0
    assert hello_seconds(Tempo(round_trip=1.0)) == 5.0


def test_three_signs_that_nobody_asks_for_may_be_late() -> None:
    assert unasked_seconds(Tempo(), 1.0) == 4.0
    assert unasked_seconds(Tempo(round_trip=0.6), 0.5) == 4.5
