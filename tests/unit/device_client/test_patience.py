"""When a device tries again, and when it tells the person instead."""

from __future__ import annotations

import math

import pytest

from device_client.patience import Patience
from shared.errors import CovspecError, EngineFailure, Overloaded, Unavailable

GONE = Unavailable("gone")


def patience(seconds: float = 10.0, chance: float = 0.0) -> Patience:
    return Patience(seconds, lambda: chance)


def test_the_first_try_comes_at_once_and_later_ones_ever_later() -> None:
    patient = patience(math.inf)
    assert [patient.wait(GONE, 0.0, begun=True) for _ in range(7)] == [0, 0.2, 0.4, 0.8, 1, 1, 1]


@pytest.mark.parametrize("begun", [False, True])
def test_patience_counts_from_the_first_failure_after_something_came_of_it(begun: bool) -> None:
    patient = patience()
    for now in (100.0, 105.0, 110.0):
        patient.wait(GONE, now, begun=begun)
    with pytest.raises(Unavailable, match="gone"):
        patient.wait(GONE, 110.1, begun=begun)
    patient.rewarded()
    assert patient.wait(GONE, 110.1, begun=begun) == 0


def test_an_engine_that_fails_twice_is_given_up() -> None:
    patient, failed = patience(), EngineFailure("broken")
    patient.wait(failed, 0.0, begun=True)
    with pytest.raises(EngineFailure):
        patient.wait(failed, 0.1, begun=True)


def test_an_engine_that_fails_once_after_breaks_of_the_link_is_asked_again() -> None:
    patient = patience()
    patient.wait(GONE, 0.0, begun=True)
    assert patient.wait(EngineFailure("broken"), 0.1, begun=True) == 0.2
    with pytest.raises(EngineFailure):
        patient.wait(EngineFailure("broken"), 0.2, begun=True)


def test_a_try_that_took_long_is_followed_by_the_next_at_once() -> None:
    patient = patience()
    assert patient.wait(GONE, 0.0, begun=True) == 0
    assert patient.wait(GONE, 1.5, begun=True, lasted=1.5) == 0
    assert patient.wait(GONE, 1.6, begun=True, lasted=0.1) == pytest.approx(0.3)
    assert patient.wait(Overloaded("full", 3.0), 1.7, begun=True, lasted=0.1) == 3.0  # it said itself when


def test_to_stand_in_line_is_no_lost_time_but_a_line_that_breaks_is_not_hammered_at() -> None:
    patient = patience()
    for now in range(0, 100, 5):
        wait = patient.wait(GONE, float(now), begun=False)
        patient.queued()
    assert wait == 1


@pytest.mark.parametrize("begun", [False, True])
def test_a_full_edge_is_asked_again_when_it_said_or_a_little_later(begun: bool) -> None:
    full = Overloaded("full", 3.0)
    assert patience(chance=0.0).wait(full, 0.0, begun=begun) == 3.0
    assert 3.0 < patience(chance=0.999).wait(full, 0.0, begun=begun) < 3.7


def test_before_the_answer_nobody_waits_longer_than_the_patience_that_is_left() -> None:
    patient = patience(10.0)
    patient.wait(Overloaded("full", 6.0), 0.0, begun=False)
    with pytest.raises(Overloaded, match="full"):
        patient.wait(Overloaded("full", 6.0), 6.0, begun=False)
    with pytest.raises(Overloaded):
        patience(10.0).wait(Overloaded("full", 60.0), 0.0, begun=False)
    with pytest.raises(Overloaded):
        patience(10.0, chance=0.9).wait(Overloaded("full", 9.5), 0.0, begun=False)
    assert patience(10.0).wait(Overloaded("full", 10.0), 0.0, begun=False) == 10.0


def test_a_begun_answer_is_tried_for_to_the_end_of_the_patience() -> None:
    patient, full = patience(10.0), Overloaded("full", 6.0)
    assert patient.wait(full, 0.0, begun=True) == 6.0
    assert patient.wait(full, 6.0, begun=True) == 4.0
    with pytest.raises(Overloaded):
        patient.wait(full, 10.0, begun=True)


@pytest.mark.parametrize(("begun", "error"), [(False, Overloaded), (True, None)])
def test_a_full_edge_that_does_not_say_when_to_come_again(begun: bool, error: type[CovspecError] | None) -> None:
    if error is None:
        assert patience().wait(Overloaded("full"), 0.0, begun=begun) == 0
        return
    with pytest.raises(error):
        patience().wait(Overloaded("full"), 0.0, begun=begun)


def test_without_patience_nobody_waits_for_a_full_edge() -> None:
    for begun in (False, True):
        with pytest.raises(Overloaded):
            patience(0.0).wait(Overloaded("full", 0.1), 0.0, begun=begun)
