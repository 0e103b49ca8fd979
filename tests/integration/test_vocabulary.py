"""A draft's vocabulary goes up once to an edge that does not know it, and to no other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from device_client.answer import Result
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.errors import OutOfStep
from shared.speculation.messages import Commit
from shared.wire.codec import FromEdge
from shared.wire.handshake import Opened, Queued, VocabularyWanted
from tests.support.hostile_edge import OPENED, HostileEdge
from tests.support.lab import ALICE, BOB, lab
from tests.support.raw_device import OTHER_VOCABULARY, PROFILE, at, opened_at, opening, resume
from tests.support.shim import Shim
from tests.support.system import (
    a_picture,
    alone,
    asked,
    counted_target,
    device,
    drained,
    edge,
    eventually,
    exact,
    nothing_alive,
    toy_draft,
    toy_target,
    whole,
)
from tests.support.toys import Steps

NARROW = partial(toy_draft, rows=192)  # a vocabulary of its own
VOCABULARY = NARROW().info.prints.vocabulary
FOREIGN = opening(device=replace(PROFILE, vocabulary=VOCABULARY.reference))


def sent(result: Result) -> tuple[int, int, int]:
    """How often the answer's device sent a vocabulary, how often it was asked for one, and the bytes of Open."""
    kinds = {entry.kind: entry.tally for entry in result.figures.traffic.entries}
    times = [kinds[kind].messages if kind in kinds else 0 for kind in ("vocabulary", "vocabulary_wanted")]
    return times[0], times[1], kinds["open"].payload


async def test_it_goes_up_once_and_an_edge_that_is_new_asks_again() -> None:
    question = asked("do you know me?", a_picture(seed=1), max_tokens=20)
    async with edge() as server, device(f"127.0.0.1:{server.port}", NARROW()) as client:
        told = [sent(await exact(client, question)) for _ in range(3)]
        async with device(f"127.0.0.1:{server.port}", NARROW()) as another:
            told.append(sent(await exact(another, question)))
    assert [each[:2] for each in told] == [(1, 1), (0, 0), (0, 0), (0, 0)]
    async with edge() as other, device(f"127.0.0.1:{other.port}", NARROW()) as client:
        assert sent(await exact(client, question))[:2] == (1, 1)
    await nothing_alive()


async def test_the_target_s_own_vocabulary_never_goes_up_and_open_does_not_grow_with_it() -> None:
    sizes = set()
    for rows in (64, 256):
        async with (
            edge(partial(toy_target, rows=rows)) as server,
            device(f"127.0.0.1:{server.port}", toy_draft(rows=rows)) as client,
        ):
            question = asked("do you know me?", max_tokens=5)
            times = sent(await exact(client, question, toy_target(rows=rows)))
            assert times[:2] == (0, 0)
            sizes.add(times[2])
    assert max(sizes) - min(sizes) <= 1  # of the varint of the size


async def test_a_device_that_does_not_draft_sends_none() -> None:
    async with edge() as server, device(f"127.0.0.1:{server.port}", NARROW(), drafting=False) as client:
        assert sent(await exact(client, asked("alone?")))[:2] == (0, 0)


async def test_what_one_tenant_has_sent_another_is_asked_for_all_the_same(tmp_path: Path) -> None:
    here = lab(tmp_path)
    async with edge(tenants=here.tenants(alice=ALICE, bob=BOB)) as server:
        told = []
        for token in (ALICE, BOB, ALICE, BOB):
            async with device(f"127.0.0.1:{server.port}", NARROW(), token=token) as client:
                told.append(sent(await exact(client, asked("who am I?", max_tokens=4)))[0])
        assert told == [1, 1, 0, 0]


async def test_it_comes_behind_pictures_and_in_line() -> None:
    steps = Steps()
    steps.hold()
    async with AsyncExitStack() as stack:
        changes = {"max_sessions": 1, "image_cache_mib": 0.001}  # pictures are not read before the place is there
        server = await stack.enter_async_context(edge(lambda: counted_target(steps), **changes))
        address = f"127.0.0.1:{server.port}"
        one, two = [await stack.enter_async_context(device(address, NARROW(), drafting=d)) for d in (False, True)]
        first = asyncio.create_task(exact(one, asked("first?", max_tokens=5)))
        await eventually(lambda: server.places, 1)
        question = asked("and I?", a_picture(seed=2, side=200), max_tokens=20)
        second = asyncio.create_task(exact(two, question))
        await eventually(lambda: server.waiting, 1)
        steps.let_go()
        await first
        assert sent(await second)[:2] == (1, 1)
    await nothing_alive()


async def test_an_answer_that_moves_to_another_edge_is_exact_and_tells_its_vocabulary_there() -> None:
    slow = partial(toy_target, step_seconds=0.002)
    question = asked("who goes on?", ignore_eos=True, max_tokens=60, temperature=1.0)
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=0, max_ahead=8, warm_up=False), slow)
    await server.__aenter__()
    async with device(f"127.0.0.1:{server.port}", NARROW()) as client:
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        await server.__aexit__(None, None, None)
        async with edge(slow, port=server.port):
            await drained(pieces)
    assert answer.result is not None
    assert answer.result.ids == alone(toy_target(), question, answer.result.parameters.seed)
    assert sent(answer.result)[:2] == (2, 2)


async def test_a_resume_names_no_vocabulary_and_takes_none() -> None:
    async with edge() as server, at(server) as raw:
        stream, opened = await opened_at(raw, [])
        stream.cancel()
        refusal = await raw.refusal(resume(opened, seen=1), OTHER_VOCABULARY)
        assert isinstance(refusal.error, OutOfStep)
        assert "has not asked for it" in str(refusal.error)
        await eventually(lambda: server.places, 0)


async def test_an_answer_that_is_cut_is_resumed_without_it() -> None:
    async with (
        edge(partial(toy_target, step_seconds=0.002), park_seconds=60, max_ahead=8) as server,
        Shim(server.port) as shim,
        device(shim.address, NARROW()) as client,
    ):
        answer = await client.ask(asked("are you back?", ignore_eos=True, max_tokens=60))
        pieces = answer.pieces()
        await anext(pieces)
        shim.cut()
        await drained(pieces)
    assert answer.result is not None
    assert answer.result.figures.reconnects == 1
    assert sent(answer.result)[:2] == (1, 1)


async def test_a_device_that_does_not_send_what_it_was_asked_for_keeps_nobody_from_an_answer() -> None:
    async with edge() as server, at(server) as raw:
        stream = await raw.stream(FOREIGN)
        assert isinstance(await stream.receive(), VocabularyWanted)
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            await exact(client, asked("and I?"))
        stream.cancel()
        await eventually(lambda: (server.places, server.waiting), (0, 0))
    await nothing_alive()


WANTED = VocabularyWanted()


@pytest.mark.parametrize(
    "script",
    [[WANTED, WANTED], [OPENED, WANTED], [OPENED, Commit(0, (30,), (0,)), WANTED]],
    ids=["twice", "late", "later"],
)
async def test_an_edge_that_wants_it_twice_or_too_late_is_left(script: list[FromEdge | bytes]) -> None:
    async with HostileEdge(script) as hostile, device(f"127.0.0.1:{hostile.port}", toy_draft()) as client:
        answer = await client.ask(asked())
        with pytest.raises(OutOfStep, match="wants a vocabulary"):
            await whole(answer)
    await nothing_alive()


async def test_who_stands_in_line_is_asked_at_once() -> None:
    async with edge(max_sessions=1) as server, at(server) as raw:
        stream, _ = await opened_at(raw, [])
        waiting = await raw.stream(FOREIGN, VOCABULARY)
        assert isinstance(await waiting.receive(), VocabularyWanted)
        assert isinstance(await waiting.receive(), Queued)
        stream.cancel()
        await waiting.until(Opened)
        waiting.cancel()
