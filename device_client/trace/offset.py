"""How far the edge's clock is ahead of the device's, bounded by what is heard and said.

Guarantees: the true offset lies in [low, high] as long as the two clocks run at one rate, however long words travel and
however unlike the two ways are. Seconds.

    edge clock      -----heard-------------------said------>      offset <= heard - sent
                        /                            \\
    device clock    --sent---------------------------read-->      offset >= said - read

Nothing comes before it was sent: both bounds of the exchange that NTP (RFC 5905, section 8) makes its estimate of, kept
apart, for the fastest way up and the fastest way down need not belong to one exchange.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Offset:
    """What is known so far. Clocks that drift apart make the bounds cross: the error is then how far they do."""

    low: float = -math.inf
    high: float = math.inf

    def heard(self, sent: float, heard: float) -> None:
        """What the device sent at `sent` of its clock was at the edge by `heard` of the edge's."""
        self.high = min(self.high, heard - sent)

    def said(self, said: float, read: float) -> None:
        """What the edge said at `said` of its clock was at the device by `read` of the device's."""
        self.low = max(self.low, said - read)

    @property
    def is_known(self) -> bool:
        """Whether there are two bounds."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def seconds(self) -> float:
        """The middle of what it may be."""
        return (self.low + self.high) / 2

    @property
    def error(self) -> float:
        """How far the truth may be from that."""
        return abs(self.high - self.low) / 2
