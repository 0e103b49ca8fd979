"""The sessions of this edge by name: who may resume them, which stream speaks for each, and how long they stay parked.

Guarantees: one stream per session, the newest; an unknown session and a wrong token are answered alike; a parked
session is gone after `park_seconds`, or earlier if its place is needed.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass, replace
from typing import Protocol

from edge_server.engine.offers import Offers
from edge_server.engine.port import Answer
from shared.errors import Overloaded, UnknownSession
from shared.wire.handshake import Opened

NAME_BYTES = 16


def new_name() -> bytes:
    """A name or token that nobody can guess."""
    return secrets.token_bytes(NAME_BYTES)


class Speaker(Protocol):
    """A stream that speaks for a session."""

    def leave(self) -> None:
        """A newer stream has taken the session over: end, and touch the session no more."""


@dataclass(eq=False)
class Held:
    """A session and the stream that speaks for it; None while the session is parked."""

    answer: Answer
    offers: Offers
    opened: Opened  # as last said to the device
    stream: Speaker | None = None
    expiry: asyncio.TimerHandle | None = None


class Sessions:
    """All sessions, in the order in which they were last parked."""

    def __init__(self, most: int, park_seconds: float) -> None:
        self._most = most
        self._park_seconds = park_seconds
        self._held: dict[bytes, Held] = {}
        self._opening = 0
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._held) + self._opening

    @property
    def parked(self) -> int:
        """How many wait for their device."""
        return sum(held.stream is None for held in self._held.values())

    async def reserve(self) -> None:
        """Take a place for a session that is about to open. Raises Overloaded."""
        self._opening += 1
        try:
            while len(self) > self._most:
                parked = next((held for held in self._held.values() if held.stream is None), None)
                if parked is None:
                    raise Overloaded(f"all {self._most} sessions of this edge are busy; try again in a few seconds")
                await self.close(parked)
        except BaseException:
            self._opening -= 1
            raise

    def release(self) -> None:
        """Give back a place that no session took."""
        self._opening -= 1

    def add(self, held: Held) -> None:
        """Keep an opened session in the place reserved for it."""
        self._opening -= 1
        self._held[held.opened.session] = held

    def claim(self, name: bytes, token: bytes, stream: Speaker) -> Held:
        """The session for a new `stream`, with a new token; the old one is told to leave. Raises UnknownSession."""
        held = self._held.get(name)
        expected = held.opened.token if held is not None else bytes(NAME_BYTES)
        if not hmac.compare_digest(expected, token) or held is None:
            raise UnknownSession("no such session here: open the answer again with what is committed")
        held.opened = replace(held.opened, token=new_name())
        if held.stream is not None:
            held.stream.leave()
        held.stream = stream
        if held.expiry is not None:
            held.expiry.cancel()
        return held

    async def park(self, held: Held, stream: Speaker) -> None:
        """The session's stream is gone; keep the session for a while. Another stream's session stays as it is."""
        if held.stream is not stream:
            return
        held.stream = None
        if self._park_seconds == 0:
            await self.close(held)
            return
        self._held[held.opened.session] = self._held.pop(held.opened.session)  # to the end of the order
        held.expiry = asyncio.get_running_loop().call_later(self._park_seconds, self._expire, held)
        await held.answer.park()

    async def close(self, held: Held) -> None:
        """The session is over; everything it holds is freed. No stream speaks for it any more."""
        self._forget(held)
        await held.answer.close()

    async def close_all(self) -> None:
        """Free everything."""
        for held in list(self._held.values()):
            await self.close(held)
        await asyncio.gather(*self._closing)

    def _expire(self, held: Held) -> None:
        self._forget(held)  # now: nobody may claim it while it is being closed
        task = asyncio.create_task(held.answer.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _forget(self, held: Held) -> None:
        held.stream = None
        self._held.pop(held.opened.session, None)
        if held.expiry is not None:
            held.expiry.cancel()
