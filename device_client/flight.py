"""The times of a stream, measured on the stream itself: round trip, steps, drafts, and how many tokens are in flight.

Guarantees: nothing is said before it was measured; a new stream measures anew the rate, for a break is no rate; what is
older than a second counts only where there is little that is newer. Times come from the caller's clock, in seconds.

Few commits tell their times, but each says how many Proposes its step had heard: the last of these had arrived when the
step began, the next one had not. So every commit bounds the round trip from both sides, and where the value known lies
outside it is moved to the bound.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import median

from device_client.draft.branching import RIDE
from device_client.draft.policy import Times
from shared.speculation.messages import Commit

_MEMORY = 16  # round trips, commits and drafts that count at most
_FRESH = 1.0  # seconds; older ones count only
_FEWEST = 4  # to have so many
_SLACK = 0.1  # of a step, by which steps differ

Samples = deque[tuple[float, float]]  # (when, what)


def _samples() -> Samples:
    return deque(maxlen=_MEMORY)


@dataclass
class Flight:
    """Told of every Propose, Commit and draft of an answer. None: not measured yet.

    `tokens`: in flight. `round_trip`: of a word, without what the edge held. `step`: the target's forward, as last
    told. `beat`: between two steps of this answer. `draft`: of one token. `ride`: how much longer the draft takes for
    each token more in the same forward, in drafts.
    """

    tokens: int | None = None
    round_trip: float | None = None
    step: float | None = None
    beat: float | None = None
    draft: float | None = None
    ride: float = RIDE
    _sent: list[float] = field(default_factory=list)  # when each Propose of this stream was posted
    _round_trips: Samples = field(default_factory=_samples)
    _drafts: Samples = field(default_factory=_samples)
    _rides: Samples = field(default_factory=_samples)
    _arrivals: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=_MEMORY))  # tokens, steps

    @property
    def times(self) -> Times:
        """All of them, as policies see them."""
        return Times(self.draft, self.step, self.beat, self.round_trip)

    def new_stream(self) -> None:
        """Another stream begins: the edge counts its proposes from none."""
        self._sent.clear()
        self._arrivals.clear()

    def proposed(self, now: float) -> None:
        """A Propose was posted."""
        self._sent.append(now)

    def drafted(self, seconds: float, now: float, tokens: int = 1) -> None:
        """A forward of the draft took so long, over so many tokens."""
        if tokens == 1:
            self._drafts.append((now, seconds))
            _forget(self._drafts, now)
            self.draft = median(each for _, each in self._drafts)
        elif self.draft:
            self._rides.append((now, max(0.0, seconds / self.draft - 1) / (tokens - 1)))
            self.ride = median(each for _, each in self._rides)

    def committed(self, commit: Commit, now: float) -> float | None:
        """A commit came. The round trip that it tells of, without what the edge held; None if it tells of none."""
        told = self._told(commit, now)
        bounded = told if told is not None else self._bounded(commit, now)
        if bounded is not None:
            self._round_trips.append((now, bounded))
            _forget(self._round_trips, now)
            self.round_trip = median(each for _, each in self._round_trips)
        if commit.accepted:  # what comes again after a break says nothing of the rate
            self._arrivals.append((now, len(commit.ids), len(commit.accepted)))
        rate = self._rates(now)
        if self.round_trip is not None and rate is not None:
            self.tokens = math.ceil(rate * self.round_trip)
        return told

    def _told(self, commit: Commit, now: float) -> float | None:
        if commit.timings is None or not 0 < commit.heard <= len(self._sent):
            return None
        if commit.timings.step_us:
            self.step = commit.timings.step_us / 1e6
        return max(0.0, now - self._sent[commit.heard - 1] - commit.timings.held_us / 1e6)

    def _bounded(self, commit: Commit, now: float) -> float | None:
        """The round trip known, moved to where this commit allows it to be."""
        if self.round_trip is None or self.step is None or len(commit.accepted) != 1:
            return None
        if not 0 < commit.heard <= len(self._sent):
            return None
        slack = _SLACK * self.step
        most = max(0.0, now - self.step - self._sent[commit.heard - 1] + slack)
        next_one = self._sent[commit.heard] if commit.heard < len(self._sent) else math.inf
        least = max(0.0, now - self.step - next_one - slack)
        return max(least, min(most, self.round_trip))

    def _rates(self, now: float) -> float | None:
        """Tokens per second: those that came after the first of the commits that count. Sets the beat on the way."""
        while len(self._arrivals) > _FEWEST and self._arrivals[0][0] < now - _FRESH:
            self._arrivals.popleft()
        if not self._arrivals:
            return None
        seconds = self._arrivals[-1][0] - self._arrivals[0][0]
        if seconds <= 0:
            return None
        self.beat = seconds / (sum(steps for *_, steps in self._arrivals) - self._arrivals[0][2])
        return (sum(count for _, count, _ in self._arrivals) - self._arrivals[0][1]) / seconds


def _forget(samples: Samples, now: float) -> None:
    while len(samples) > _FEWEST and samples[0][0] < now - _FRESH:
        samples.popleft()
