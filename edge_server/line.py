"""Who waits for a place at this edge: first come, first served; everybody's place counts what is ahead of it.

Pure but for one event for each that waits. Knows neither sessions nor streams. And, of a place that has to be waited
for, the time that it will likely take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from shared.errors import CovspecError

SHORTEST_SECONDS, LONGEST_SECONDS = 0.1, 60.0  # that a device is told to wait
_FIRST_GUESS = 5.0  # seconds that a session holds its place, before any has been seen
_MEMORY = 10  # sessions: the newest counts a tenth, so that yesterday's load is forgotten


class Ticket:
    """One opening of `tenant`, from its arrival until a session has its place. `place` in line: 1 is next, 0 is called.

    `refused`: it left the line, or was sent away, before it was called.
    """

    def __init__(self, tenant: str = "") -> None:
        self.tenant = tenant
        self.place = 0
        self.since = 0.0  # when it was called
        self.refused: CovspecError | None = None
        self.clearing: asyncio.Task[None] | None = None  # frees what held the place before
        self._changed = asyncio.Event()

    def move(self, place: int) -> None:
        """It has come to `place`."""
        if place != self.place:
            self.place = place
            self._changed.set()

    def refuse(self, sentence: CovspecError) -> None:
        """It is not to wait any more."""
        self.refused = sentence
        self._changed.set()

    async def come(self, tell: Callable[[int], Awaitable[None]]) -> None:
        """Wait to be called; `tell` hears the place in line, at first and whenever it has changed. Raises `refused`."""
        while self.place > 0:
            await self._changed.wait()
            self._changed.clear()
            if self.refused is not None:
                raise self.refused
            if self.place > 0:
                await tell(self.place)
        if self.clearing is not None:
            await asyncio.wait([self.clearing])


class Line:
    """At most `most` tickets in the order of their arrival."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tickets: list[Ticket] = []

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(list(self._tickets))

    def __contains__(self, ticket: Ticket) -> bool:
        return ticket in self._tickets

    @property
    def full(self) -> bool:
        """Whether nobody else may wait."""
        return len(self._tickets) >= self._most

    def join(self, ticket: Ticket) -> None:
        """Stand behind everybody else."""
        self._tickets.append(ticket)
        ticket.move(len(self._tickets))

    def call(self) -> Ticket:
        """The ticket that was next, which leaves the line."""
        ticket = self._tickets[0]
        self.leave(ticket)
        ticket.move(0)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Everybody behind moves up."""
        self._tickets.remove(ticket)
        for place, other in enumerate(self._tickets, start=1):
            other.move(place)


class Tenure:
    """How long sessions hold their places, in seconds: a mean in which older ones count less and less."""

    def __init__(self) -> None:
        self.mean = _FIRST_GUESS
        self._seen = 0

    def saw(self, seconds: float) -> None:
        """A place was held so long."""
        self._seen = min(self._seen + 1, _MEMORY)
        self.mean += (seconds - self.mean) / self._seen


def expected_wait(mean_tenure: float, places: int, position: int) -> float:
    """Seconds until whoever is `position`-th in line has one of `places` places: one comes free every tenure / places.

    Within [SHORTEST_SECONDS, LONGEST_SECONDS]: nobody is to hammer at the edge, and nobody to be sent away for good.
    """
    return min(max(SHORTEST_SECONDS, mean_tenure * position / places), LONGEST_SECONDS)
