"""An answer of the embedded engine as the service holds it: its news as they come, and what may be asked of it.

Guarantees: the session is touched on the engine's thread alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeAlias

from edge_server.engine.outbox import Outbox
from edge_server.engine.port import News, Terms
from edge_server.engine.session import Session
from shared.speculation.messages import Finished, FinishReason

Ask: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]


class EmbeddedAnswer:
    """One session of the embedded engine, as the service holds it."""

    def __init__(self, session: Session, outbox: Outbox, ask: Ask, discard: Callable[[Session], None]) -> None:
        """`ask` runs a job on the engine's thread."""
        self.terms: Terms = session.terms
        self._ask = ask
        self._discard = discard
        self._session = session
        self._outbox = outbox

    async def news(self) -> AsyncGenerator[News, None]:
        """Commits, waiting ones merged, and at the end Finished. Ends without Finished once parked or closed."""
        outbox = self._outbox
        while (item := await outbox.get()) is not None:
            yield item
            if isinstance(item, Finished):
                return

    async def finish(self, reason: FinishReason) -> None:
        """End the answer where it stands: Finished(reason) comes as its last news."""
        await self._ask(lambda: self._session.finish(reason))

    async def park(self) -> None:
        """Stop stepping, keep the cache."""
        outbox = self._outbox
        await self._ask(self._park)
        outbox.end()

    async def resume(self, seen: int) -> None:
        """Go on for a device that has `seen` tokens; the news from before end. Raises OutOfStep."""
        self._outbox.end()
        self._outbox = outbox = Outbox()
        await self._ask(lambda: self._resume(seen, outbox))

    async def close(self) -> None:
        """Free everything at once."""
        await self._ask(lambda: self._discard(self._session))
        self._outbox.end()

    def _park(self) -> None:
        self._session.parked = True

    def _resume(self, seen: int, outbox: Outbox) -> None:
        session = self._session
        outbox.put(session.offers.resume(seen))
        session.deliver = outbox.put
        session.parked = False
        if session.attended is not None:
            outbox.put(session.attended)
        if session.ended is not None:
            outbox.put(session.ended)
