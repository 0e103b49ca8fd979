"""Laws of the endpoint's line: never more than the places, nobody lost, nobody passed by for ever."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_client.endpoint.places import Places
from shared.errors import Overloaded

QUICK = settings(derandomize=True, deadline=None, max_examples=100)


class Clock:
    def __call__(self) -> float:
        return 0.0


async def let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class World:
    """Requests as tasks that hold their place until told to leave it."""

    def __init__(self, parallel: int) -> None:
        self.places = Places(parallel, 1000, Clock())
        self.served: list[tuple[int, int]] = []
        self.leaves: dict[tuple[int, int], asyncio.Event] = {}
        self.tasks: dict[tuple[int, int], asyncio.Task[None]] = {}

    def come(self, choices: int) -> None:
        number = self.places.request(choices)
        for choice in range(choices):
            self.leaves[number, choice] = asyncio.Event()
            self.tasks[number, choice] = asyncio.create_task(self.hold(number, choice))

    async def hold(self, number: int, choice: int) -> None:
        async with self.places.place(number, choice):
            self.served.append((number, choice))
            await self.leaves[number, choice].wait()


@QUICK
@given(st.integers(1, 3), st.lists(st.integers(-6, 4), max_size=40))
def test_places_are_never_exceeded_and_always_used(parallel: int, events: list[int]) -> None:
    """Positive: a request for so many. Zero or less: the task at that place of all that live leaves or is cancelled."""

    async def play() -> None:
        world = World(parallel)
        for event in events:
            living = [key for key, task in world.tasks.items() if not task.done()]
            if event > 0:
                world.come(event)
            elif living:
                key = living[-event % len(living)]
                world.leaves[key].set() if event % 2 else world.tasks[key].cancel()
            await let_run()
            living = [key for key, task in world.tasks.items() if not task.done()]
            holding = [key for key in living if key in world.served]
            assert world.places.running == len(holding) <= parallel
            assert world.places.waiting == len(living) - len(holding)
            assert len(holding) == min(parallel, len(living))
        for leave in world.leaves.values():
            leave.set()
        await asyncio.gather(*world.tasks.values(), return_exceptions=True)
        assert (world.places.running, world.places.waiting) == (0, 0)

    asyncio.run(play())


def order(parallel: int, requests: list[int]) -> list[tuple[int, int]]:
    """In which order the choices of these requests, which come while all is taken, are served one at a time."""

    async def play() -> list[tuple[int, int]]:
        world = World(parallel)
        world.come(parallel)
        await let_run()
        for choices in requests:
            world.come(choices)
        await let_run()
        for _ in range(parallel + sum(requests)):
            first = next(key for key in world.served if not world.tasks[key].done())
            world.leaves[first].set()
            await let_run()
        return world.served[parallel:]

    return asyncio.run(play())


@QUICK
@given(st.integers(1, 3), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_first_choices_are_served_in_the_order_of_coming(parallel: int, requests: list[int]) -> None:
    served = order(parallel, requests)
    firsts = [number for number, choice in served if choice == 0]
    assert firsts == sorted(firsts)
    assert len(served) == sum(requests)


@QUICK
@given(st.integers(1, 3), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_a_choice_lets_few_others_pass(parallel: int, requests: list[int]) -> None:
    served = order(parallel, requests)
    for at, (number, choice) in enumerate(served):
        later = {other for other, _ in served[:at] if other > number}
        assert len(later) <= choice * parallel


def test_a_wish_for_many_does_not_hold_up_who_comes_next() -> None:
    assert order(1, [4, 1, 1])[:4] == [(2, 0), (2, 1), (3, 0), (2, 2)]
    assert order(2, [3, 1, 1, 1]) == [(2, 0), (3, 0), (2, 1), (4, 0), (5, 0), (2, 2)]


@pytest.mark.parametrize("turns", range(6))
async def test_who_leaves_while_being_called_gives_the_place_on(turns: int) -> None:
    world = World(1)
    for _ in range(3):
        world.come(1)
    await let_run()
    world.leaves[1, 0].set()
    for _ in range(turns):
        await asyncio.sleep(0)
    world.tasks[2, 0].cancel()
    world.leaves[2, 0].set()
    await let_run()
    assert world.served[-1] == (3, 0)
    world.leaves[3, 0].set()
    await asyncio.gather(*world.tasks.values(), return_exceptions=True)
    assert (world.places.running, world.places.waiting) == (0, 0)


def test_who_does_not_fit_is_told_when_to_come_again() -> None:
    places = Places(2, 3, Clock())
    assert places.request(5) == 1
    with pytest.raises(Overloaded) as caught:
        places.request(6)
    assert caught.value.retry_after
