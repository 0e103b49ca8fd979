"""A law of the edge: whatever a stream says, in any order, it is refused by name or ends, and others are served."""

from __future__ import annotations

import asyncio
import random
import warnings

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.attack import Tally, attack
from benchmarks.fuzz.mutations import conversation
from tests.support.raw_device import at
from tests.support.system import asked, device, edge, eventually, exact, nothing_alive, toy_draft

TOGETHER = 8
FOUND = (Phase.explicit, Phase.reuse, Phase.generate)  # no shrinking: a live system takes minutes for it


async def attacked(seeds: list[int]) -> Tally:
    tally = Tally()
    async with edge(max_sessions=4, park_seconds=0.05) as server:
        async with at(server) as raw, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            honest = asyncio.create_task(exact(client, asked("and me?", temperature=1.0)))
            await asyncio.gather(*(attack(raw, tally, str(seed)) for seed in seeds))
            await honest
        await eventually(lambda: (server.sessions, server.places, server.waiting), (0, 0, 0))
    await nothing_alive()
    return tally


@settings(max_examples=15, deadline=None, phases=FOUND)
@given(st.lists(st.integers(0, 2**32), min_size=TOGETHER, max_size=TOGETHER))
def test_hostile_streams_are_refused_by_name_and_leave_nothing(seeds: list[int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow says of pictures that are none
        tally = asyncio.run(attacked(seeds))
    assert tally.streams == TOGETHER
    assert tally.wrong == []


def test_the_same_seed_says_the_same() -> None:
    assert conversation(random.Random("5")) == conversation(random.Random("5"))
