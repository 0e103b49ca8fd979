"""How much one stream may say: a token bucket of messages, in which large ones count for several.

Guarantees: over any time of t seconds nobody says more than per_second * (SPAN + t). Pure; times are seconds of the
caller's clock.
"""

from __future__ import annotations

from shared.errors import Overloaded

SPAN = 5.0  # seconds' worth that may come at once
UNIT = 4096  # bytes that count as one more message


class Allowance:
    """Of one stream, from `now` on."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._left = per_second * SPAN
        self._at = now

    def take(self, size: int, now: float) -> None:
        """A message of `size` bytes has come. Raises Overloaded."""
        full = self._per_second * SPAN
        self._left = min(full, self._left + (now - self._at) * self._per_second) - 1 - size // UNIT
        self._at = now
        if self._left < 0:
            raise Overloaded(
                f"the stream says more than {self._per_second:g} messages a second"
                f" (max_messages_per_second; {UNIT} bytes count as one)"
            )
