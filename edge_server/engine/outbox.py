"""News of one answer on their way from the engine's thread to the stream that reads them.

Guarantees: nothing is lost or reordered; commits that wait are read as one. One reader, on the loop that made it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from edge_server.engine.port import News
from shared.errors import CovspecError
from shared.speculation.messages import Commit


class Outbox:
    """News on their way from the engine's thread to the loop that made this box, for one reader."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news: deque[News | CovspecError | None] = deque()
        self._arrived = asyncio.Event()

    def put(self, item: News | CovspecError) -> None:
        """Add news; from any thread."""
        self._loop.call_soon_threadsafe(self._add, item)

    def end(self) -> None:
        """No more news; on the loop."""
        self._add(None)

    async def get(self) -> News | None:
        """The next news, a step's commit with those that wait behind it; None at the end. Raises what ended it all."""
        while not self._news:
            self._arrived.clear()
            await self._arrived.wait()
        item = self._news.popleft()
        if isinstance(item, CovspecError):
            raise item
        if isinstance(item, Commit) and item.accepted:  # what a resume repeats tells no steps and goes alone
            while item.whole and self._news and isinstance(later := self._news[0], Commit) and later.accepted:
                self._news.popleft()
                item = item.merged(later)
        return item

    def _add(self, item: News | CovspecError | None) -> None:
        self._news.append(item)
        self._arrived.set()
