"""What travels beside the messages is taken for what it says, or for nothing."""

from __future__ import annotations

import pytest

from shared.wire.metadata import SIGNS_KEY, by_key, signs_metadata, signs_of


@pytest.mark.parametrize("seconds", [0.02, 1.0, 59.5])
def test_how_often_an_edge_gives_a_sign_of_life_is_read_as_it_was_said(seconds: float) -> None:
    assert signs_of(by_key(signs_metadata(seconds))) == seconds


@pytest.mark.parametrize("said", ["", "0", "0.000", "-1", "1e3", "nan", "inf", "1000", "1.0000", " 1", "1\n", "\u0661"])
def test_what_is_no_such_number_promises_nothing(said: str) -> None:
    assert signs_of({SIGNS_KEY: said}) is None
    assert signs_of({}) is None
