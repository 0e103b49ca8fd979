"""The sessions of this edge by name: who may resume them, which stream speaks for each, and how long they stay parked.

Guarantees: one stream per session, the newest; an unknown session, a wrong token and another tenant's session are
answered alike; a parked session is gone after `park_seconds`, or earlier if its place is needed, the longest parked
first. Places are given in the order in which they were asked for: nobody overtakes one that waits, and nobody waits
while there is one to give. A tenant that has its share gives up its own longest parked session for one more, or waits.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from edge_server.engine.offers import Offers
from edge_server.engine.port import Answer
from edge_server.line import Line, Tenure, Ticket, expected_wait
from shared.errors import CovspecError, Overloaded, UnknownSession
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
    ticket: Ticket  # whose place it has
    stream: Speaker | None = None
    expiry: asyncio.TimerHandle | None = None


class Sessions:
    """All sessions, in the order in which they were last parked, and the line of those that wait for a place."""

    def __init__(
        self,
        most: int,
        park_seconds: float,
        most_waiting: int = 0,
        clock: Callable[[], float] = time.monotonic,
        share: int | None = None,
    ) -> None:
        self._most = most
        self._share = share  # places and places in line of one tenant; None: as many as there are
        self._park_seconds = park_seconds
        self._clock = clock
        self._line = Line(most_waiting)
        self._tenure = Tenure()
        self._held: dict[bytes, Held] = {}
        self._opening: set[Ticket] = set()  # called, no session has taken the place yet
        self._closing: set[asyncio.Task[None]] = set()
        self._drained: CovspecError | None = None

    def __len__(self) -> int:
        return len(self._held) + len(self._opening)

    @property
    def parked(self) -> int:
        """How many wait for their device."""
        return sum(held.stream is None for held in self._held.values())

    @property
    def waiting(self) -> int:
        """How many openings stand in line."""
        return len(self._line)

    def check(self, tenant: str = "") -> None:
        """Raise what `queue` would raise now: Overloaded, or what `drain` was told."""
        if self._has_its_share(tenant):
            self._parked_by(tenant)
        elif (self._line or not self._has_place) and self._drained is not None:
            raise self._drained
        elif (self._line or not self._has_place) and self._line.full:
            raise self._overloaded()

    def queue(self, tenant: str = "") -> Ticket:
        """A ticket for a session that is about to open; it has its place at once, or waits. Raises Overloaded.

        Raises what `drain` was told, if it would have to wait.
        """
        self.check(tenant)
        ticket = Ticket(tenant)
        if self._has_its_share(tenant):
            self._give_place(ticket, self._parked_by(tenant))
        elif not self._line and self._has_place:
            self._give_place(ticket)
        else:
            self._line.join(ticket)
        return ticket

    def send_away(self, ticket: Ticket, sentence: CovspecError) -> None:
        """If it stands in line, it leaves with `sentence`, and those behind move up at once."""
        if ticket in self._line:
            self._line.leave(ticket)
            ticket.refuse(sentence)

    def release(self, ticket: Ticket) -> None:
        """Leave the line, or give back a place that no session took. Idempotent."""
        if ticket in self._line:
            self._line.leave(ticket)
        elif ticket in self._opening:
            self._opening.remove(ticket)
            self._tenure.saw(self._clock() - ticket.since)
            self._give_places()

    def add(self, held: Held) -> None:
        """Keep an opened session in the place of its ticket."""
        self._opening.remove(held.ticket)
        self._held[held.opened.session] = held

    def drain(self, sentence: CovspecError) -> None:
        """Send away whoever waits, with `sentence`, and let nobody wait from now on."""
        self._drained = sentence
        for ticket in self._line:
            self.send_away(ticket, sentence)

    def claim(self, name: bytes, token: bytes, stream: Speaker, tenant: str = "") -> Held:
        """The session for a new `stream`, with a new token; the old one is told to leave. Raises UnknownSession."""
        held = self._held.get(name)
        expected = held.opened.token if held is not None else bytes(NAME_BYTES)
        if not hmac.compare_digest(expected, token) or held is None or held.ticket.tenant != tenant:
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
        self._give_places()
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

    @property
    def _has_place(self) -> bool:
        return len(self) < self._most or self.parked > 0

    def _give_places(self) -> None:
        while self._line and self._has_place:
            self._give_place(self._line.call())

    def _has_its_share(self, tenant: str) -> bool:
        tickets = [*self._line, *self._opening, *(held.ticket for held in self._held.values())]
        return self._share is not None and sum(ticket.tenant == tenant for ticket in tickets) >= self._share

    def _parked_by(self, tenant: str) -> Held:
        """That tenant's session parked longest. Raises Overloaded."""
        for held in self._held.values():
            if held.stream is None and held.ticket.tenant == tenant:
                return held
        assert self._share is not None
        seconds = expected_wait(self._tenure.mean, self._share, 1)
        raise Overloaded(
            f"this tenant has {self._share} answers here, the most that one may have; try again in about"
            f" {math.ceil(seconds)} s",
            seconds,
        )

    def _give_place(self, ticket: Ticket, parked: Held | None = None) -> None:
        """That of `parked`, else a free place, or that of the session parked longest."""
        if parked is None and len(self) == self._most:
            parked = next(held for held in self._held.values() if held.stream is None)
        if parked is not None:
            self._take_out(parked)
            ticket.clearing = self._close_later(parked)
        ticket.since = self._clock()
        self._opening.add(ticket)

    def _overloaded(self) -> Overloaded:
        seconds = expected_wait(self._tenure.mean, self._most, len(self._line) + 1)
        line = f" and {len(self._line)} wait in line" if self._line else ""
        return Overloaded(
            f"all {self._most} sessions of this edge are busy{line}; try again in about {math.ceil(seconds)} s", seconds
        )

    def _expire(self, held: Held) -> None:
        self._forget(held)  # now: nobody may claim it while it is being closed
        self._close_later(held)

    def _close_later(self, held: Held) -> asyncio.Task[None]:
        task = asyncio.create_task(held.answer.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    def _forget(self, held: Held) -> None:
        self._take_out(held)
        self._give_places()

    def _take_out(self, held: Held) -> None:
        """Nobody finds the session any more, and its place is free."""
        held.stream = None
        if held.expiry is not None:
            held.expiry.cancel()
        if self._held.pop(held.opened.session, None) is not None:
            self._tenure.saw(self._clock() - held.ticket.since)
