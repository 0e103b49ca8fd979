"""Memory for all together: never more than there is, first come first served, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import random

import pytest

from shared.errors import Overloaded
from shared.media.budget import MemoryBudget, Share


async def settled() -> None:
    """Let everybody who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_fits_is_served_at_once_and_who_does_not_waits_for_it() -> None:
    budget = MemoryBudget(10)
    first = await budget.take(7)
    second = asyncio.create_task(budget.take(4))
    await settled()
    assert (budget.taken, budget.waiting) == (7, 1)
    first.give_back()
    assert (await second).size == 4
    assert (budget.taken, budget.waiting) == (4, 0)


async def test_a_small_one_does_not_pass_a_large_one_that_came_before() -> None:
    budget = MemoryBudget(10)
    held = await budget.take(6)
    large, small = asyncio.create_task(budget.take(9)), asyncio.create_task(budget.take(1))
    await settled()
    assert not small.done()
    held.give_back()
    await asyncio.wait([large, small])
    assert budget.taken == 10


async def test_one_that_goes_lets_those_behind_it_through() -> None:
    budget = MemoryBudget(10)
    await budget.take(6)
    large, small = asyncio.create_task(budget.take(9)), asyncio.create_task(budget.take(4))
    await settled()
    large.cancel()
    assert (await small).size == 4
    assert budget.taken == 10


async def test_one_that_goes_in_the_moment_of_its_turn_gives_its_share_back() -> None:
    budget = MemoryBudget(10)
    held = await budget.take(10)
    called, next_one = asyncio.create_task(budget.take(10)), asyncio.create_task(budget.take(10))
    await settled()
    held.give_back()
    called.cancel()
    assert (await next_one).size == 10
    assert (budget.taken, budget.waiting) == (10, 0)


async def test_one_that_was_cancelled_already_is_not_called() -> None:
    budget = MemoryBudget(10)
    held = await budget.take(10)
    gone, next_one = asyncio.create_task(budget.take(10)), asyncio.create_task(budget.take(10))
    await settled()
    gone.cancel()
    held.give_back()
    assert (await next_one).size == 10
    assert budget.taken == 10


async def test_who_waits_too_long_or_finds_too_many_is_told_when_to_come_again() -> None:
    budget = MemoryBudget(10, patience=0.02, most_waiting=1)
    await budget.take(10)
    waiting = asyncio.create_task(budget.take(1))
    await settled()
    with pytest.raises(Overloaded, match="1 wait") as refused:
        await budget.take(1)
    assert refused.value.retry_after is not None
    assert refused.value.retry_after > 0
    with pytest.raises(Overloaded, match="are taken"):
        await waiting
    assert (budget.taken, budget.waiting) == (10, 0)


async def test_giving_back_twice_gives_back_once() -> None:
    budget = MemoryBudget(10)
    first, _ = await budget.take(3), await budget.take(4)
    first.give_back()
    first.give_back()
    assert budget.taken == 4


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_comes_and_goes_never_more_is_taken_and_nothing_is_lost(seed: int) -> None:
    source, budget = random.Random(seed), MemoryBudget(100, most_waiting=300)
    tasks: list[asyncio.Task[Share]] = []
    for _ in range(300):
        match source.randrange(4):
            case 0 | 1:
                tasks.append(asyncio.create_task(budget.take(source.randint(1, 100))))
            case 2 if tasks:
                task = tasks.pop(source.randrange(len(tasks)))
                if task.done() and not task.cancelled():
                    task.result().give_back()
                else:
                    task.cancel()
            case _:
                await asyncio.sleep(0)
        assert 0 <= budget.taken <= 100
    for task in tasks:
        task.cancel()
    await settled()
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            task.result().give_back()
    assert (budget.taken, budget.waiting) == (0, 0)
