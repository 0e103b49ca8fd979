"""The device at a full edge: it waits in line, or comes again when it was told to, and the text is the target's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from device_client.answer import Piece
from edge_server.server import EdgeServer
from shared.errors import Overloaded
from shared.speculation.messages import Finish, Finished, FinishReason
from shared.vlm.toy import ToyVlm
from shared.wire.handshake import Queued
from tests.support.hostile_edge import HostileEdge
from tests.support.raw_device import RawStream, at, opened_at, opening
from tests.support.system import (
    alone,
    asked,
    device,
    edge,
    eventually,
    exact,
    nothing_alive,
    toy_draft,
    toy_target,
    whole,
)
from tests.support.toys import Steps


@asynccontextmanager
async def full_edge(max_queue: int) -> AsyncIterator[tuple[EdgeServer, RawStream]]:
    """An edge whose one place a running answer has."""
    async with edge(max_sessions=1, max_queue=max_queue) as server, at(server) as rival:
        running, _ = await opened_at(rival, [])
        yield server, running
    await nothing_alive()


async def leave(running: RawStream) -> None:
    await running.send(Finish(FinishReason.CANCELLED))
    await running.until(Finished)


async def test_a_device_in_line_says_where_it_stands_drafts_and_is_answered() -> None:
    steps, question = Steps(), asked("still waiting?", ignore_eos=True, max_tokens=40)
    draft = ToyVlm("draft", seed=1, agreement=0.8, step_seconds=1e-6, sleep=steps)
    async with full_edge(max_queue=2) as (server, running):
        async with (
            device(f"127.0.0.1:{server.port}", draft, window=8, reconnect_seconds=0) as client,
            at(server) as other,
        ):
            first = await other.stream(opening("me first"))
            assert await first.receive() == Queued(1)
            answer = await client.ask(question)
            async with aclosing(answer.events()) as events:
                assert await anext(events) == Queued(2)
                await eventually(lambda: steps.count >= 8)  # the whole window, though there is no place yet
                await first.send(Finish(FinishReason.CANCELLED))
                assert await anext(events) == Queued(1)
                await leave(running)
                text = "".join([event.text async for event in events if isinstance(event, Piece)])
        assert answer.result is not None
        assert answer.result.text == text
        assert answer.result.ids == alone(toy_target(), question)


async def test_who_reads_pieces_hears_of_no_line() -> None:
    async with (
        full_edge(max_queue=1) as (server, running),
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
    ):
        asking = asyncio.create_task(exact(client, asked("still waiting?")))
        await eventually(lambda: server.waiting, 1)
        await leave(running)
        await asking


async def test_a_device_that_is_cancelled_in_line_leaves_it_at_once() -> None:
    async with (
        full_edge(max_queue=1) as (server, running),
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
    ):
        asking = asyncio.create_task(whole(await client.ask(asked("still waiting?"))))
        await eventually(lambda: server.waiting, 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (server.waiting, server.places) == (0, 1)
        await leave(running)


async def test_a_device_that_finds_the_line_full_comes_again_when_it_was_told_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        edge(max_sessions=1, max_queue=0) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(), reconnect_seconds=60) as client,
        at(server) as rival,
    ):
        caplog.set_level("INFO")
        await exact(client, asked("any room?"))  # by which the edge learns how soon a place is free
        await eventually(lambda: server.places, 0)
        running, _ = await opened_at(rival, [])
        asking = asyncio.create_task(exact(client, asked("any room?")))
        await eventually(lambda: "no place at the edge; trying again in" in caplog.text)
        await leave(running)
        await asking
    await nothing_alive()


async def test_a_delay_beyond_the_patience_is_told_to_the_person() -> None:
    async with (
        full_edge(max_queue=0) as (server, _),
        device(f"127.0.0.1:{server.port}", toy_draft(), reconnect_seconds=2) as client,
    ):
        answer = await client.ask(asked("any room?"))
        with pytest.raises(Overloaded, match=r"^all 1 sessions of this edge are busy; try again in about 5 s$"):
            await whole(answer)


async def test_an_edge_that_breaks_while_it_has_us_in_line_is_tried_again() -> None:
    async with (
        HostileEdge([Queued(1)]) as hostile,
        device(f"127.0.0.1:{hostile.port}", toy_draft(), reconnect_seconds=0.05) as client,
    ):
        asking = asyncio.create_task(whole(await client.ask(asked())))
        await eventually(lambda: hostile.streams >= 3)  # patience alone would have ended after two
        asking.cancel()
        await asyncio.wait([asking])
    await nothing_alive()
