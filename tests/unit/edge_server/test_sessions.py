"""One stream per session, the newest; places are counted right whatever is cancelled in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from edge_server.engine.embedded import EmbeddedEngine
from edge_server.engine.offers import Offers
from edge_server.engine.port import Request
from edge_server.sessions import Held, Sessions, new_name
from shared.errors import Overloaded, Unavailable, UnknownSession
from shared.speculation.edge import Rules
from shared.speculation.messages import Pace
from shared.speculation.request import Message, SamplingWish, Text
from shared.wire.handshake import Opened
from tests.support.system import counted_target, eventually
from tests.support.toys import Steps

REQUEST = Request((Message("user", (Text("what?"),)),), (), SamplingWish(temperature=0), 0, Pace.THRIFTY)


class Speaker:
    """A stream that remembers being told to leave."""

    def __init__(self) -> None:
        self.left = False

    def leave(self) -> None:
        self.left = True


class House:
    """Sessions over a toy engine."""

    def __init__(self, steps: Steps, most: int, park_seconds: float, share: int | None) -> None:
        self.now = 0.0
        self.sessions = Sessions(most, park_seconds, most_waiting=2, clock=lambda: self.now, share=share)
        self.engine = EmbeddedEngine(lambda: counted_target(steps))
        self._occupying: asyncio.Task[None] | None = None

    async def open(self, stream: Speaker, tenant: str = "") -> Held:
        ticket = self.sessions.queue(tenant)
        await ticket.come(_unheard)
        offers = Offers(Rules(8, 8, 256), (), monotonic)
        answer = await self.engine.open(REQUEST, offers)
        opened = Opened(new_name(), new_name(), answer.terms.parameters, 3, 0, 256, (), 8, Pace.THRIFTY, 60, b"f" * 16)
        held = Held(answer, offers, opened, ticket, stream)
        self.sessions.add(held)
        return held

    async def occupy(self, steps: Steps) -> None:
        """Keep the engine's thread busy until `steps` are let go."""
        await self.engine.ask(lambda: None)
        steps.hold()
        before = steps.count
        self._occupying = asyncio.create_task(self.engine.ask(lambda: steps(0.0)))
        await eventually(lambda: steps.count > before)


@asynccontextmanager
async def house(
    steps: Steps | None = None, most: int = 2, park_seconds: float = 60.0, share: int | None = None
) -> AsyncIterator[House]:
    made = House(steps or Steps(), most, park_seconds, share)
    await made.engine.start()
    yield made
    await made.sessions.close_all()
    assert len(made.sessions) == 0
    await eventually(lambda: made.engine.sessions, 0)
    await made.engine.stop()


async def test_a_claim_gives_a_new_token_and_sends_the_old_stream_away() -> None:
    async with house() as made:
        old, new = Speaker(), Speaker()
        held = await made.open(old)
        token = held.opened.token
        assert made.sessions.claim(held.opened.session, token, new) is held
        assert old.left
        assert held.stream is new
        with pytest.raises(UnknownSession):
            made.sessions.claim(held.opened.session, token, old)


async def test_a_stream_that_left_parks_nothing() -> None:
    async with house() as made:
        old, new = Speaker(), Speaker()
        held = await made.open(old)
        made.sessions.claim(held.opened.session, held.opened.token, new)
        await made.sessions.park(held, old)
        assert held.stream is new
        assert held.expiry is None


async def test_a_claim_while_the_old_stream_still_parks_is_not_undone_by_it() -> None:
    steps = Steps()
    async with house(steps, park_seconds=600) as made:
        old, new = Speaker(), Speaker()
        held = await made.open(old)
        await made.occupy(steps)
        parking = asyncio.create_task(made.sessions.park(held, old))
        await eventually(lambda: made.sessions.parked, 1)
        made.sessions.claim(held.opened.session, held.opened.token, new)
        steps.let_go()
        await parking
        assert held.stream is new
        assert held.expiry is not None
        assert held.expiry.cancelled()


async def test_a_session_that_expires_cannot_be_claimed_any_more() -> None:
    async with house(park_seconds=0.01) as made:
        stream, loop, refused = Speaker(), asyncio.get_running_loop(), asyncio.Event()
        held = await made.open(stream)
        await made.sessions.park(held, stream)
        assert held.expiry is not None

        def claim() -> None:
            with pytest.raises(UnknownSession):
                made.sessions.claim(held.opened.session, held.opened.token, Speaker())
            refused.set()

        loop.call_at(held.expiry.when(), claim)
        while loop.time() < held.expiry.when():
            pass  # so that the expiry and the claim come in one turn of the loop
        await refused.wait()
        await eventually(lambda: made.engine.sessions, 0)


async def test_closing_twice_or_parking_after_it_is_nothing() -> None:
    async with house() as made:
        stream = Speaker()
        held = await made.open(stream)
        await made.sessions.close(held)
        await made.sessions.close(held)
        await made.sessions.park(held, stream)
        assert (len(made.sessions), made.engine.sessions) == (0, 0)


async def test_who_finds_the_line_full_too_is_told_when_to_come_again() -> None:
    async with house(most=2) as made:
        held = [await made.open(Speaker()) for _ in range(2)]
        made.now = 12.0
        await made.sessions.close(held[0])  # the only tenure seen
        tickets = [made.sessions.queue() for _ in range(3)]
        assert [ticket.place for ticket in tickets] == [0, 1, 2]
        for _ in range(3):
            with pytest.raises(Overloaded) as refused:
                made.sessions.queue()
            assert refused.value.retry_after == 12.0 * 3 / 2
            assert str(refused.value) == (
                "all 2 sessions of this edge are busy and 2 wait in line; try again in about 18 s"
            )
        for ticket in (*tickets, *tickets):  # to give back twice is nothing
            made.sessions.release(ticket)
        assert len(made.sessions) == 1
        await made.open(Speaker())


async def test_who_comes_while_others_wait_stands_behind_them() -> None:
    async with house(most=1) as made:
        one, two = made.sessions.queue(), made.sessions.queue()
        assert (one.place, two.place) == (0, 1)
        made.sessions.release(one)
        late = made.sessions.queue()
        assert (two.place, late.place) == (0, 1)
        made.sessions.release(two)
        assert late.place == 0
        made.sessions.release(late)


async def test_who_waits_takes_the_place_of_a_session_that_parks() -> None:
    async with house(most=1) as made:
        stream = Speaker()
        held = await made.open(stream)
        ticket = made.sessions.queue()
        await made.sessions.park(held, stream)
        assert ticket.place == 0
        await ticket.come(_unheard)
        assert made.engine.sessions == 0  # the cache is free before another is made
        with pytest.raises(UnknownSession):
            made.sessions.claim(held.opened.session, held.opened.token, Speaker())
        made.sessions.release(ticket)


async def test_who_is_cancelled_while_a_place_is_cleared_takes_none() -> None:
    steps = Steps()
    async with house(steps, most=1) as made:
        stream = Speaker()
        held = await made.open(stream)
        await made.sessions.park(held, stream)
        await made.occupy(steps)
        opening = asyncio.create_task(_one_that_opens(made))
        await eventually(lambda: made.sessions.parked, 0)
        opening.cancel()
        await asyncio.wait([opening])
        steps.let_go()
        assert len(made.sessions) == 0


async def test_a_drain_sends_the_line_away_and_lets_nobody_join_it() -> None:
    async with house(most=1) as made:
        held = await made.open(Speaker())
        tickets = [made.sessions.queue() for _ in range(2)]
        made.sessions.drain(Unavailable("we close"))
        assert made.sessions.waiting == 0
        for ticket in tickets:
            with pytest.raises(Unavailable, match="we close"):
                await ticket.come(_unheard)
        with pytest.raises(Unavailable, match="we close"):
            made.sessions.queue()
        await made.sessions.close(held)


async def test_a_tenant_with_its_share_gives_up_its_own_parked_session_or_waits() -> None:
    async with house(most=4, share=2) as made:
        stream = Speaker()
        others = await made.open(stream, "bob")
        await made.sessions.park(others, stream)
        mine = [await made.open(stream, "alice") for _ in range(2)]
        with pytest.raises(Overloaded, match="this tenant has 2 answers here") as refused:
            made.sessions.queue("alice")
        assert refused.value.retry_after is not None
        await made.sessions.park(mine[0], stream)
        third = await made.open(stream, "alice")  # in the place of the one that was parked, though another is free
        with pytest.raises(UnknownSession):
            made.sessions.claim(mine[0].opened.session, mine[0].opened.token, stream, "alice")
        assert made.sessions.claim(others.opened.session, others.opened.token, stream, "bob") is others
        await made.sessions.close(third)
        await made.open(stream, "alice")


async def test_those_in_line_count_for_the_share_of_their_tenant() -> None:
    async with house(most=1, share=2) as made:
        held = await made.open(Speaker(), "bob")
        ticket = made.sessions.queue("alice"), made.sessions.queue("alice")
        with pytest.raises(Overloaded, match="this tenant"):
            made.sessions.queue("alice")
        await made.sessions.close(held)
        for one in ticket:
            made.sessions.release(one)


async def test_another_tenant_cannot_claim_a_session_with_its_own_token() -> None:
    async with house() as made:
        stream = Speaker()
        held = await made.open(stream, "alice")
        token = held.opened.token
        for name in ("bob", ""):
            with pytest.raises(UnknownSession):
                made.sessions.claim(held.opened.session, token, Speaker(), name)
        assert (stream.left, held.opened.token) == (False, token)


async def _one_that_opens(made: House) -> None:
    ticket = made.sessions.queue()
    try:
        await ticket.come(_unheard)
    finally:
        made.sessions.release(ticket)


async def _unheard(place: int) -> None:
    raise AssertionError(f"told the place {place}")
