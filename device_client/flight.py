"""How many tokens the edge commits while a word travels to it and back, measured on the stream itself.

Guarantees: nothing is said before both a round trip and a rate were measured; a new stream measures anew the rate, for
a break is no rate. Times come from the caller's clock, in seconds.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import median

from shared.speculation.messages import Commit

_MEMORY = 16  # round trips, and commits, that count


@dataclass
class Flight:
    """Told of every Propose and Commit of an answer. `tokens`: in flight; None: not measured yet."""

    tokens: int | None = None
    _sent: list[float] = field(default_factory=list)  # when each Propose of this stream was posted
    _round_trips: deque[float] = field(default_factory=lambda: deque(maxlen=_MEMORY))
    _arrivals: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_MEMORY))

    def new_stream(self) -> None:
        """Another stream begins: the edge counts its proposes from none."""
        self._sent.clear()
        self._arrivals.clear()

    def proposed(self, now: float) -> None:
        """A Propose was posted."""
        self._sent.append(now)

    def committed(self, commit: Commit, now: float) -> float | None:
        """A commit came. The round trip that it tells of, without what the edge held; None if it tells of none."""
        round_trip = None
        if commit.timings is not None and 0 < commit.heard <= len(self._sent):
            round_trip = max(0.0, now - self._sent[commit.heard - 1] - commit.timings.held_us / 1e6)
            self._round_trips.append(round_trip)
        if commit.accepted:  # what comes again after a break says nothing of the rate
            self._arrivals.append((now, len(commit.ids)))
        rate = self._rate()
        if self._round_trips and rate is not None:
            self.tokens = math.ceil(rate * median(self._round_trips))
        return round_trip

    @property
    def round_trip(self) -> float | None:
        """Seconds; None before one was measured."""
        return median(self._round_trips) if self._round_trips else None

    def _rate(self) -> float | None:
        """Tokens per second: those that came after the first of the commits that count."""
        if not self._arrivals:
            return None
        seconds = self._arrivals[-1][0] - self._arrivals[0][0]
        tokens = sum(count for _, count in self._arrivals) - self._arrivals[0][1]
        return tokens / seconds if seconds > 0 else None
