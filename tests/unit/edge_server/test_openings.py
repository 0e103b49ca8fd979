"""How often streams may be opened: by one connection, and by a tenant with all of his."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.openings import _MOST, CONNECTIONS, SPAN, Openings
from shared.errors import Overloaded


def taken(openings: Openings, tenant: str, connection: str, now: float) -> bool:
    try:
        openings.take(tenant, connection, now)
    except Overloaded as refused:
        return (refused.retry_after or 0.0) <= 0.0  # else whoever is refused would come again at once
    return True


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=300), st.sampled_from([1.0, 4.0, 50.0]))
def test_a_connection_opens_no_more_than_its_rate_over_any_time(waits: list[float], rate: float) -> None:
    openings, now, at = Openings(rate), 0.0, list[float]()
    for wait in waits:
        now += wait
        if taken(openings, "tenant", "connection", now):
            at.append(now)
    for first in range(len(at)):
        assert len(at) - first <= rate * (SPAN + at[-1] - at[first]) + 1e-6


def test_who_comes_by_another_connection_is_not_refused_for_the_haste_of_one() -> None:
    openings = Openings(2.0)
    opened = sum(taken(openings, "tenant", "hasty", 0.0) for _ in range(1000))
    assert opened == 2 * SPAN
    assert taken(openings, "tenant", "honest", 0.0)
    assert taken(openings, "tenant", "hasty", 0.51)
    assert not taken(openings, "tenant", "hasty", 0.51)


def test_a_tenant_with_many_connections_costs_other_tenants_nothing() -> None:
    openings = Openings(1.0)
    opened = sum(taken(openings, "hasty", str(connection), 0.0) for connection in range(1000))
    assert opened == CONNECTIONS * SPAN
    assert taken(openings, "honest", "connection", 0.0)
    with pytest.raises(Overloaded, match="this tenant opens more than 4 streams a second"):
        openings.take("hasty", "new", 0.0)


def test_what_is_remembered_is_bounded() -> None:
    openings = Openings(1000.0)
    for connection in range(3 * _MOST):
        openings.take("tenant", str(connection), connection / 1000)
    assert len(openings._buckets) <= _MOST
