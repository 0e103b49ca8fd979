"""Places at an edge against a model of three lists: whatever comes, goes, breaks and returns, nobody is overtaken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.engine.offers import Offers
from edge_server.engine.port import News, Terms
from edge_server.line import Ticket
from edge_server.sessions import Held, Sessions, new_name
from shared.errors import Overloaded
from shared.speculation.edge import Rules
from shared.speculation.messages import FinishReason, Pace
from shared.speculation.request import SamplingParameters
from shared.wire.handshake import Opened

TERMS = Terms(SamplingParameters(max_tokens=5), 3, 0)
ACTS = ["arrive", "arrive", "arrive", "give up", "fail to open", "end", "break", "break", "come back"]


class Nothing:
    """An answer that holds nothing, and knows whether it was closed; the stream that speaks for it too."""

    terms = TERMS

    def __init__(self) -> None:
        self.closed = False

    async def news(self) -> AsyncGenerator[News, None]:
        raise NotImplementedError
        yield

    async def finish(self, reason: FinishReason) -> None: ...

    async def park(self) -> None: ...

    async def resume(self, seen: int) -> None: ...

    async def close(self) -> None:
        self.closed = True

    def leave(self) -> None: ...


@dataclass
class Model:
    """Who is where, in order, by number."""

    most: int
    most_waiting: int
    running: list[int] = field(default_factory=list)
    parked: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)

    def settle(self) -> None:
        while self.line and (len(self.running) + len(self.parked) < self.most or self.parked):
            if len(self.running) + len(self.parked) == self.most:
                self.parked.pop(0)
            self.running.append(self.line.pop(0))


class Played:
    """The real thing beside the model, one act at a time."""

    def __init__(self, most: int, most_waiting: int) -> None:
        self.model = Model(most, most_waiting)
        self.sessions = Sessions(most, 600.0, most_waiting, lambda: 0.0)
        self.tickets: dict[int, Ticket] = {}
        self.held: dict[int, Held] = {}

    async def act(self, act: str, pick: int) -> None:
        model, sessions = self.model, self.sessions
        among = {"give up": model.line, "come back": model.parked}.get(act, model.running)
        if act == "arrive":
            self.arrive()
        elif among:
            number = among.pop(pick % len(among))
            match act:
                case "give up":
                    sessions.release(self.tickets[number])
                case "fail to open" if number not in self.held:
                    sessions.release(self.tickets[number])
                case "come back":
                    opened = self.held[number].opened
                    sessions.claim(opened.session, opened.token, Nothing())
                    model.running.append(number)
                case "break":
                    held = self.open(number)
                    assert held.stream is not None
                    model.parked.append(number)
                    await sessions.park(held, held.stream)
                case _:
                    await sessions.close(self.open(number))
        model.settle()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def arrive(self) -> None:
        number, model = len(self.tickets), self.model
        full = bool(model.line) or (len(model.running) == model.most and not model.parked)
        if full and len(model.line) >= model.most_waiting:
            with pytest.raises(Overloaded) as refused:
                self.sessions.queue()
            assert refused.value.retry_after is not None
            return
        model.line.append(number)
        self.tickets[number] = self.sessions.queue()

    def open(self, number: int) -> Held:
        if number not in self.held:
            opened = Opened(new_name(), new_name(), TERMS.parameters, 3, 0, 256, (), 8, Pace.EAGER, 60, b"f" * 16)
            offers, answer = Offers(Rules(8, 8, 256), (), lambda: 0.0), Nothing()
            self.held[number] = Held(answer, offers, opened, self.tickets[number], Nothing())
            self.sessions.add(self.held[number])
        return self.held[number]

    def check(self) -> None:
        model, sessions = self.model, self.sessions
        assert (len(sessions), sessions.parked, sessions.waiting) == (
            len(model.running) + len(model.parked),
            len(model.parked),
            len(model.line),
        )
        assert [self.tickets[number].place for number in model.line] == list(range(1, len(model.line) + 1))
        assert all(self.tickets[number].place == 0 for number in model.running)
        alive = {number for number, held in self.held.items() if not held.answer.closed}  # type: ignore[attr-defined]
        assert alive == (set(model.running) | set(model.parked)) & set(self.held)


acts = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 9)), min_size=25, max_size=60)


@given(st.integers(1, 3), st.integers(0, 4), acts)
def test_first_come_first_served_and_the_longest_parked_leave_first(
    most: int, most_waiting: int, acts: list[tuple[str, int]]
) -> None:
    async def play() -> None:
        played = Played(most, most_waiting)
        for act, pick in acts:
            await played.act(act, pick)
            played.check()
        await played.sessions.close_all()

    asyncio.run(play())
