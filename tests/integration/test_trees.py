"""Trees through the whole system: the text is the target's, branches stand at the edge, old edges are told apart."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from functools import partial

import pytest

from shared.errors import InvalidValue, Unsupported
from tests.support.shim import Shim
from tests.support.system import alone, asked, device, edge, nothing_alive, toy_draft, toy_target, whole

SLOW = partial(toy_target, step_seconds=0.004)


@pytest.mark.parametrize("pace", ["eager", "thrifty", "auto"])
@pytest.mark.parametrize(("shape", "lockstep"), [("best", False), ("eagle2", True), ("sage", False)])
async def test_the_answer_is_the_targets_own(pace: str, shape: str, lockstep: bool) -> None:
    beside = 0
    config = {"tree": 24, "window": 6, "tree_shape": shape, "pace": pace, "lockstep": lockstep}
    async with edge(SLOW) as server, device(f"127.0.0.1:{server.port}", toy_draft(0.6), **config) as client:
        for seed in range(3):
            question = asked(f"number {seed}", temperature=seed % 2, seed=seed, max_tokens=60, ignore_eos=True)
            result = await whole(await client.ask(question))
            assert result.ids == alone(toy_target(), question)
            beside += result.figures.beside
            assert result.figures.beside_stood <= result.figures.beside
    assert beside > 0
    await nothing_alive()


async def test_the_figures_say_what_was_proposed_beside_the_path() -> None:
    async with (
        edge(SLOW) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(0.6, step_seconds=0.002), tree=32, policy="fixed") as client,
    ):
        figures = (await whole(await client.ask(asked(max_tokens=150, ignore_eos=True, temperature=0)))).figures
    assert 0 <= figures.beside_stood < figures.beside
    assert figures.as_json()["beside"] == figures.beside
    assert f"{figures.beside_stood} of {figures.beside} proposed beside the path stood" in figures.line()


async def test_a_link_that_delays_stalls_and_cuts_changes_nothing() -> None:
    rng, cuts = random.Random(3), 0
    async with edge(SLOW) as server, Shim(server.port) as shim:
        for seed in range(3):
            question = asked(f"number {seed}", temperature=1.0, seed=seed, max_tokens=60, ignore_eos=True)
            async with device(shim.address, toy_draft(0.6, token_seconds=0.001), tree=32) as client:
                answer = await client.ask(question)
                hostile = asyncio.create_task(shim.be_hostile(rng, most_cuts=shim.cuts + 3))
                result = await whole(answer)
                hostile.cancel()
                with suppress(asyncio.CancelledError):
                    await hostile
                shim.flow()
            assert result.ids == alone(toy_target(), question)
            cuts += result.figures.reconnects
    assert cuts > 0


async def test_without_a_tree_nothing_is_proposed_beside_the_path() -> None:
    async with edge(SLOW) as server, device(f"127.0.0.1:{server.port}", toy_draft(0.6)) as client:
        result = await whole(await client.ask(asked(max_tokens=60, ignore_eos=True)))
    assert (result.figures.beside, result.figures.beside_stood) == (0, 0)
    assert "beside the path" not in result.figures.line()


async def test_an_edge_that_takes_no_trees_is_refused_before_anything_is_sent() -> None:
    async with edge(proposals=False) as server, device(f"127.0.0.1:{server.port}", toy_draft(), tree=32) as client:
        assert not (await client.info()).trees
        with pytest.raises(Unsupported, match="the edge verifies paths alone: --tree needs one that takes trees"):
            await client.ask(asked())


async def test_a_tree_beyond_what_the_edge_holds_is_refused_by_name() -> None:
    async with edge(max_window=20) as server, device(f"127.0.0.1:{server.port}", toy_draft(), tree=32) as client:
        with pytest.raises(InvalidValue, match=r"^tree is 32: the edge's limit is 20"):
            await client.ask(asked())
