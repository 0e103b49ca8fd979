"""Who may have an answer now: a number of places, and a fair line for them.

Guarantees: never more answers than places, nor more in line than may wait, however many come at once. Requests are
served in the order of coming; the further choices of one request let others pass, at most `parallel` of them for each
choice, so that a wish for many answers holds nobody up and is not held up for ever.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from shared.errors import Overloaded

_FIRST_GUESS = 1.0  # seconds of an answer, before one is over
_WEIGHT = 0.2  # of the newest answer in the mean


class Places:
    """`clock`: seconds."""

    def __init__(self, parallel: int, max_waiting: int, clock: Callable[[], float]) -> None:
        self.running = 0
        self._parallel = parallel
        self._max_waiting = max_waiting
        self._clock = clock
        self._requests = 0
        self._promised: dict[int, int] = {}  # by request: answers that have been let in and are not in line yet
        self._line: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._mean = _FIRST_GUESS

    @property
    def waiting(self) -> int:
        """Answers that wait for a place."""
        return self._in_line + sum(self._promised.values())

    @property
    def _in_line(self) -> int:
        return sum(not future.done() for *_, future in self._line)

    def check(self, choices: int) -> None:
        """Raises Overloaded if so many answers do not fit now."""
        if self.running + self.waiting + choices > self._parallel + self._max_waiting:
            wait = self._mean * (self.waiting + choices) / self._parallel
            raise Overloaded(f"{self.running} answers run and {self.waiting} wait; try again later", wait)

    def request(self, choices: int) -> int:
        """Number of a request that comes now with so many choices. Raises Overloaded if they do not fit.

        They are let in: each has to ask for its `place`, or the request to `leave`.
        """
        self.check(choices)
        self._requests += 1
        self._promised[self._requests] = choices
        return self._requests

    def leave(self, request: int) -> None:
        """The request asks for no more places."""
        self._promised.pop(request, None)

    @asynccontextmanager
    async def place(self, request: int, choice: int) -> AsyncIterator[None]:
        """Wait for a place, and have it."""
        self._promised[request] -= 1
        if not self._promised[request]:
            del self._promised[request]
        if self.running >= self._parallel or self._in_line:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._line, (request + choice * self._parallel, request, choice, future))
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():  # called in the moment of leaving
                    self.running -= 1
                    self._call()
                raise
        else:
            self.running += 1
        begin = self._clock()
        try:
            yield
        finally:
            self._mean += _WEIGHT * (self._clock() - begin - self._mean)
            self.running -= 1
            self._call()

    def _call(self) -> None:
        while self._line and self.running < self._parallel:
            *_, future = heapq.heappop(self._line)
            if not future.done():
                self.running += 1
                future.set_result(None)
