"""One direction of a link as a pure model: a line of a given rate behind a queue, random loss, then a fixed delay.

Packets leave in the order they came. What is under way keeps its time when the profile changes or the link goes dark.
Seconds and bytes; the clock is the caller's. Knows no sockets.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum, auto

from benchmarks.link.profile import Profile


class Drop(Enum):
    """Why a packet does not arrive."""

    FULL = auto()
    LOST = auto()
    DARK = auto()


@dataclass(frozen=True)
class Count:
    """What one direction was given so far, headers included, and how much of it was dropped."""

    packets: int = 0
    bytes: int = 0
    full: int = 0
    lost: int = 0
    dark: int = 0


class Direction:
    """Owner of the state of one direction. `chance` draws the losses."""

    def __init__(self, profile: Profile, chance: random.Random) -> None:
        self.profile = profile
        self.dark = False
        self._chance = chance
        self._line_free = 0.0  # when the line has sent all that it took
        self._last_arrival = 0.0
        self._packets = self._bytes = 0
        self._drops = dict.fromkeys(Drop, 0)

    def arrive(self, now: float, size: int) -> float | Drop:
        """A packet of `size` bytes reaches the queue: when it comes out at the far end, or why it does not.

              now        starts         sent            due
        ──────┼──────────┼──────────────┼───────────────┼
              waits      size / rate    delay
        """
        self._packets += 1
        self._bytes += size
        if self.dark:
            return self._dropped(Drop.DARK)
        if self.over(now) > 0:
            return self._dropped(Drop.FULL)
        self._line_free = max(now, self._line_free) + size * 8 / (self.profile.mbit * 1e6)
        if self.profile.loss and self._chance.random() < self.profile.loss:  # lost in the air: it had its line time
            return self._dropped(Drop.LOST)
        # A profile with less delay must not let a later packet overtake.
        self._last_arrival = max(self._last_arrival, self._line_free + self.profile.delay_ms / 1000)
        return self._last_arrival

    def over(self, now: float) -> float:
        """Seconds by which a packet that comes now would wait longer than the queue is deep; below 0: room."""
        return self._line_free - now - self.profile.queue_ms / 1000

    def count(self) -> Count:
        """All since the start."""
        drops = self._drops
        return Count(self._packets, self._bytes, drops[Drop.FULL], drops[Drop.LOST], drops[Drop.DARK])

    def _dropped(self, why: Drop) -> Drop:
        self._drops[why] += 1
        return why
