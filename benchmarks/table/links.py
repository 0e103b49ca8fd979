"""The links of the table, by name: the same for the wall clock and the virtual one."""

from __future__ import annotations

from types import MappingProxyType

from benchmarks.link.profile import Profile
from benchmarks.table.cell import LinkShape

# Round trip and rate: docs/benchmarks.md. The paper tells a rate alone; 20 ms is our choice beside it.
LINKS = MappingProxyType(
    {
        link.name: link
        for link in (
            LinkShape("wifi", 5, 100),
            LinkShape("5g", 20, 50),
            LinkShape("4g", 60, 10),
            LinkShape("bad-4g", 200, 1, loss=0.02),
            LinkShape("paper", 20, 17.3),
        )
    }
)


def profile(link: LinkShape) -> Profile:
    """Each way of it."""
    return Profile(delay_ms=link.round_trip_ms / 2, mbit=link.mbit, loss=link.loss)
