"""The text is the target's own over real gRPC, whatever the window, the pace, the temperature and the link."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import suppress
from functools import partial

import pytest

from device_client.answer import Question
from shared.speculation.request import Message, SamplingWish, Text
from tests.support.shim import Shim
from tests.support.system import alone, device, edge, toy_draft, toy_target, whole


def question(number: int, sampling: SamplingWish) -> Question:
    return Question((Message("user", (Text(f"tell me about number {number}"),)),), (), (), sampling)


@pytest.mark.parametrize(
    ("window", "pace", "temperature"), list(itertools.product([1, 4, 16], ["eager", "thrifty", "auto"], [0.0, 1.0]))
)
async def test_the_answer_is_the_targets_own(window: int, pace: str, temperature: float) -> None:
    target = toy_target()
    async with (
        edge() as server,
        device(f"127.0.0.1:{server.port}", toy_draft(), window=window, pace=pace) as client,
    ):
        for number in range(4):
            asked = question(number, SamplingWish(temperature=temperature, seed=number))
            result = await whole(await client.ask(asked))
            assert result.ids == alone(target, asked)


@pytest.mark.parametrize("pace", ["eager", "thrifty", "auto"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_a_link_that_delays_stalls_and_cuts_changes_nothing(pace: str, temperature: float) -> None:
    target, rng, cuts = toy_target(), random.Random(7), 0
    slow = partial(toy_target, step_seconds=0.002)
    async with edge(slow) as server, Shim(server.port) as shim:
        for number in range(6):
            asked = question(number, SamplingWish(temperature=temperature, seed=number))
            async with device(shim.address, toy_draft(token_seconds=0.001), pace=pace) as client:
                answer = await client.ask(asked)
                hostile = asyncio.create_task(shim.be_hostile(rng, most_cuts=shim.cuts + 3))
                result = await whole(answer)
                hostile.cancel()
                with suppress(asyncio.CancelledError):
                    await hostile
                shim.flow()
            assert result.ids == alone(target, asked)
            cuts += result.figures.reconnects
    assert cuts > 0


async def test_an_edge_that_forgets_is_asked_again_from_where_the_answer_stands() -> None:
    target, asked = toy_target(), question(3, SamplingWish(temperature=1.0, ignore_eos=True, max_tokens=120))
    slow = partial(toy_target, step_seconds=0.005)
    async with edge(slow, park_seconds=0) as server, Shim(server.port) as shim:
        async with device(shim.address, toy_draft()) as client:
            answer = await client.ask(asked)
            tokens = 0
            async for piece in answer.pieces():
                tokens += len(piece.text) > 0
                if tokens in (10, 40):
                    shim.cut()
        assert answer.result is not None
        assert answer.result.figures.reconnects >= 2
        assert answer.result.ids == alone(target, asked, seed=answer.result.parameters.seed)


@pytest.mark.parametrize(("prefill_chunk", "max_batch"), [(512, 32), (3, 4)])
async def test_sixteen_devices_at_once_read_what_each_would_alone(prefill_chunk: int, max_batch: int) -> None:
    target = toy_target()
    slow = partial(toy_target, step_seconds=0.002)
    asked = [question(number, SamplingWish(temperature=number % 2, seed=number)) for number in range(16)]
    async with (
        edge(slow, prefill_chunk=prefill_chunk, max_batch=max_batch) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(0.9)) as client,
    ):
        results = await asyncio.gather(*[whole(await client.ask(each)) for each in asked])
    for each, result in zip(asked, results, strict=True):
        assert result.ids == alone(target, each)


async def test_an_edge_without_proposals_says_the_same() -> None:
    asked = question(5, SamplingWish(temperature=1.0, seed=5))
    async with (
        edge(proposals=False) as server,
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
    ):
        result = await whole(await client.ask(asked))
    assert result.ids == alone(toy_target(), asked)
    assert result.figures.accepted_per_step == 0
