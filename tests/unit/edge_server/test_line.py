"""Turns in the order of their arrival, each told its place; and how long a place has to be waited for."""

from __future__ import annotations

import asyncio

import pytest

from edge_server.line import LONGEST_SECONDS, SHORTEST_SECONDS, Line, Tenure, Ticket, expected_wait
from shared.errors import Unavailable


async def turns_behind_each_other(count: int) -> tuple[Line, list[Ticket]]:
    line, tickets = Line(count), [Ticket() for _ in range(count)]
    for ticket in tickets:
        line.join(ticket)
    return line, tickets


async def test_places_count_what_is_ahead() -> None:
    line, tickets = await turns_behind_each_other(4)
    assert [ticket.place for ticket in tickets] == [1, 2, 3, 4]
    line.leave(tickets[1])
    assert [tickets[0].place, tickets[2].place, tickets[3].place] == [1, 2, 3]
    assert line.call() is tickets[0]
    assert (tickets[0].place, tickets[2].place, tickets[3].place) == (0, 1, 2)


async def test_a_line_is_full_when_the_most_that_may_wait_do() -> None:
    line, _ = await turns_behind_each_other(2)
    assert line.full
    line.call()
    assert not line.full
    assert Line(0).full


async def test_who_comes_is_told_every_place_and_then_has_its_own() -> None:
    line, tickets = await turns_behind_each_other(3)
    told: list[int] = []

    async def tell(place: int) -> None:
        told.append(place)
        line.call()

    await tickets[2].come(tell)
    assert told == [3, 2, 1]


async def test_a_slow_listener_hears_the_newest_place_only() -> None:
    line, tickets = await turns_behind_each_other(4)
    told: list[int] = []

    async def tell(place: int) -> None:
        told.append(place)
        for _ in range(2):
            line.call()

    await tickets[3].come(tell)
    assert told == [4, 2]


async def test_who_is_called_at_once_is_told_nothing() -> None:
    async def tell(place: int) -> None:
        raise AssertionError(place)

    await Ticket().come(tell)


async def test_who_is_sent_away_hears_why() -> None:
    line, (ticket,) = await turns_behind_each_other(1)

    async def tell(_: int) -> None:
        line.leave(ticket)
        ticket.refuse(Unavailable("we close"))

    with pytest.raises(Unavailable, match="we close"):
        await ticket.come(tell)


async def test_a_place_is_not_there_before_what_held_it_is_gone() -> None:
    gone, ticket = asyncio.Event(), Ticket()
    ticket.clearing = asyncio.create_task(gone.wait())  # type: ignore[arg-type]  # any task
    coming = asyncio.create_task(ticket.come(lambda _: asyncio.sleep(0)))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not coming.done()
    gone.set()
    await coming


@pytest.mark.parametrize(
    ("mean", "places", "position", "seconds"),
    [
        (10.0, 1, 1, 10.0),
        (10.0, 2, 1, 5.0),
        (10.0, 2, 3, 15.0),
        (0.001, 64, 1, SHORTEST_SECONDS),
        (0.0, 1, 1, SHORTEST_SECONDS),
        (3600.0, 1, 5, LONGEST_SECONDS),
    ],
)
def test_a_place_comes_free_every_tenure_over_places(mean: float, places: int, position: int, seconds: float) -> None:
    assert expected_wait(mean, places, position) == pytest.approx(seconds)


def test_a_tenure_is_the_mean_of_few_and_forgets_when_there_are_many() -> None:
    tenure = Tenure()
    assert tenure.mean > 0  # a guess, before anybody has been seen
    for seconds in (2.0, 4.0, 6.0):
        tenure.saw(seconds)
    assert tenure.mean == pytest.approx(4.0)
    for _ in range(100):
        tenure.saw(20.0)
    assert tenure.mean == pytest.approx(20.0, rel=1e-3)
    tenure.saw(10.0)
    assert tenure.mean == pytest.approx(19.0, rel=1e-3)
