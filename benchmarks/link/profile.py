"""What one direction of an emulated link does to packets: a frozen value, checked when it is made.

`wifi`, `5g`, `4g` and `far` are links as phones have them; `round_trip` makes one that only delays.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from shared.errors import InvalidValue

AMPLE_MBIT = 50.0


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One way. The round trip of a link with the same profile both ways is twice `delay_ms`."""

    delay_ms: float
    """Milliseconds from the end of the line's sending to the arrival."""
    mbit: float
    """Million bits a second, IP headers included."""
    loss: float = 0.0
    """Share of packets that vanish at random, from 0 to 1."""
    queue_ms: float = 200.0
    """Milliseconds that a packet may wait for the line; one that would wait longer is dropped."""

    def __post_init__(self) -> None:
        _check("delay_ms", self.delay_ms, 0.0, 60_000.0)
        _check("mbit", self.mbit, 0.001, 1000.0)
        _check("loss", self.loss, 0.0, 1.0)
        _check("queue_ms", self.queue_ms, 0.0, 60_000.0)


def _check(field: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # not a number is in no range
        raise InvalidValue(f"link profile {field}", value, f"it must be from {least:g} to {most:g}")


PRESETS = MappingProxyType(
    {
        "wifi": Profile(delay_ms=2.5, mbit=100, queue_ms=50),
        "5g": Profile(delay_ms=10, mbit=50, queue_ms=100),
        "4g": Profile(delay_ms=30, mbit=10, queue_ms=200),
        "far": Profile(delay_ms=100, mbit=10, queue_ms=200),
    }
)


def round_trip(milliseconds: float, mbit: float = AMPLE_MBIT) -> Profile:
    """Each way of a link with this round trip and a rate that is no bottleneck."""
    return Profile(delay_ms=milliseconds / 2, mbit=mbit)
