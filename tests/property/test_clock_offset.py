"""The offset of two clocks: whatever the link does to the words, the truth lies within the error that is stated."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from device_client.trace.offset import Offset

seconds = st.floats(0, 10)
SLACK = 1e-6  # of floating point at clocks of up to a million seconds


@given(
    st.floats(-1e6, 1e6), st.lists(st.tuples(st.booleans(), seconds, seconds), min_size=2).filter(lambda w: len(w) > 1)
)
def test_the_true_offset_lies_within_the_error(true: float, words: list[tuple[bool, float, float]]) -> None:
    offset = Offset()
    offset.heard(0.0, 1.0 + true)
    offset.said(2.0 + true, 3.0)
    for up, at, travels in words:
        if up:
            offset.heard(at, at + travels + true)
        else:
            offset.said(at + true, at + travels)
        assert abs(offset.seconds - true) <= offset.error + SLACK


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_error_is_half_of_the_fastest_way_up_and_the_fastest_way_down(up: float, down: float) -> None:
    offset = Offset()
    for slower in (0.5, 0.0, 0.25):
        offset.heard(10.0, 10.0 + up + slower)
        offset.said(20.0, 20.0 + down + slower)
    assert abs(offset.error - (up + down) / 2) < SLACK


def test_nothing_is_known_from_one_side_alone() -> None:
    offset = Offset()
    offset.heard(0.0, 1.0)
    assert not offset.is_known
