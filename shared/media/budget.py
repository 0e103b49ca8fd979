"""Memory that a process may take for one thing, in bytes. A request for more than is left waits its turn.

Guarantees: never more than `capacity` is taken; no request is passed by a later one; one that waits too long, or that
finds too many waiting, is told when to come again. For one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from shared.errors import Overloaded

PATIENCE = 30.0  # seconds that somebody waits at most
MOST_WAITING = 64
_FIRST_GUESS, _WEIGHT = 1.0, 0.2  # seconds that memory is held, before any was; weight of the newest in the mean
_MIB = 2**20


@dataclass(eq=False)
class Share:
    """Memory that was taken; `give_back` once, which further calls do not repeat."""

    size: int
    since: float
    budget: MemoryBudget | None

    def give_back(self) -> None:
        """Let others have it."""
        budget, self.budget = self.budget, None
        if budget is not None:
            budget.returned(self)


class MemoryBudget:
    """`patience`: seconds. `clock`: seconds."""

    def __init__(
        self,
        capacity: int,
        patience: float = PATIENCE,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.capacity = capacity
        self.taken = 0
        self._patience = patience
        self._most_waiting = most_waiting
        self._clock = clock
        self._mean = _FIRST_GUESS
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    async def take(self, size: int) -> Share:
        """`size` bytes, which must not be more than `capacity`, once they are free. Raises Overloaded."""
        assert size <= self.capacity
        if self._line or self.taken + size > self.capacity:
            if len(self._line) >= self._most_waiting:
                raise self._overloaded()
            await self._wait(size)
        else:
            self.taken += size
        return Share(size, self._clock(), self)

    def returned(self, share: Share) -> None:
        """A share is free again."""
        self._mean += _WEIGHT * (self._clock() - share.since - self._mean)
        self._free(share.size)

    async def _wait(self, size: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = size, future
        self._line.append(place)
        try:
            async with asyncio.timeout(self._patience):
                await future
        except (asyncio.CancelledError, TimeoutError) as left:
            if place in self._line:
                self._line.remove(place)
            granted = future.done() and not future.cancelled()  # in the moment of leaving
            self._free(size if granted else 0)  # those behind it may fit now
            if isinstance(left, TimeoutError):
                raise self._overloaded() from None
            raise

    def _free(self, size: int) -> None:
        self.taken -= size
        while self._line and self.taken + self._line[0][0] <= self.capacity:
            size, future = self._line.popleft()
            if not future.cancelled():
                self.taken += size
                future.set_result(None)

    def _overloaded(self) -> Overloaded:
        text = f"{self.taken // _MIB} of {self.capacity // _MIB} MiB for decoded images are taken, {self.waiting} wait"
        return Overloaded(f"{text}; try again later", max(0.1, self._mean * (1 + self.waiting)))
