"""Nobody says more than the allowance; whoever stays within it is never refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.allowance import SPAN, UNIT, Allowance
from shared.errors import Overloaded

sizes = st.integers(0, 20 * UNIT)
gaps = st.floats(0, 3)


@given(st.lists(st.tuples(gaps, sizes), max_size=60), st.floats(1, 20))
def test_what_is_taken_in_any_time_is_bounded(words: list[tuple[float, int]], per_second: float) -> None:
    allowance, now, taken = Allowance(per_second, 0.0), 0.0, []
    for gap, size in words:
        now += gap
        try:
            allowance.take(size, now)
        except Overloaded:
            break
        taken.append((now, 1 + size // UNIT))
    for i, (begin, _) in enumerate(taken):
        for j in range(i, len(taken)):
            cost = sum(each for _, each in taken[i : j + 1])
            assert cost <= per_second * (SPAN + taken[j][0] - begin) + 1e-6


@given(st.lists(st.floats(0.1, 3), max_size=60))
def test_who_keeps_to_the_rate_is_never_refused(gaps: list[float]) -> None:
    allowance, now = Allowance(10.0, 0.0), 0.0
    for gap in gaps:
        now += gap
        allowance.take(UNIT - 1, now)


def test_the_sentence_names_the_limit() -> None:
    allowance = Allowance(1.0, 0.0)
    with pytest.raises(Overloaded, match=r"more than 1 messages a second \(max_messages_per_second"):
        allowance.take(5 * UNIT, 0.0)
