"""Profiles of the emulated link are checked when they are made."""

from __future__ import annotations

import math

import pytest

from benchmarks.link.profile import PRESETS, Profile, round_trip
from shared.errors import InvalidValue


@pytest.mark.parametrize(
    ("field", "value"),
    [("delay_ms", -1), ("mbit", 0), ("mbit", math.inf), ("loss", 1.01), ("loss", math.nan), ("queue_ms", -0.1)],
)
def test_what_no_link_can_have_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InvalidValue, match=field):
        Profile(**{"delay_ms": 1.0, "mbit": 1.0} | {field: value})


def test_a_round_trip_is_two_delays() -> None:
    assert 2 * round_trip(60).delay_ms == 60
    assert [2 * profile.delay_ms for profile in PRESETS.values()] == [5, 20, 60, 200]
