"""A virtual clock: events in order of time, those of one moment in the order in which they were planned."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Event = Callable[[], None]


class Clock:
    """`now` in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Event]] = []
        self._counter = 0

    def at(self, time: float, event: Event) -> None:
        """Let `event` happen at `time`."""
        self._counter += 1
        heapq.heappush(self._queue, (time, self._counter, event))

    def after(self, seconds: float, event: Event) -> None:
        """Let `event` happen in so many seconds."""
        self.at(self.now + seconds, event)

    def run(self, until: Callable[[], bool]) -> None:
        """Let things happen until `until`. Raises RuntimeError if nothing will happen before."""
        while not until():
            if not self._queue:
                raise RuntimeError("nothing will happen any more")
            self.now, _, event = heapq.heappop(self._queue)
            event()
