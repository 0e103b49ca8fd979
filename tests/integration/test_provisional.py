"""While the edge is away in the middle of an answer: wait, go on alone provisionally, or fail."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from device_client.answer import Piece
from device_client.client import Client
from device_client.provisional import Provisional
from edge_server.server import EdgeServer
from shared.errors import CovspecError, Unavailable
from shared.vlm.toy import ToyVlm
from shared.wire.handshake import Queued
from tests.support.shim import Shim
from tests.support.system import (
    alone,
    asked,
    device,
    drained,
    edge,
    eventually,
    exact,
    nothing_alive,
    toy_draft,
    toy_target,
)

QUESTION = asked("are you there?", ignore_eos=True, max_tokens=60)
Events = AsyncGenerator[Piece | Queued | Provisional, None]


@asynccontextmanager
async def system(draft: ToyVlm, **changes: object) -> AsyncIterator[tuple[Client, Shim, EdgeServer]]:
    """A device at an edge that runs no further than eight tokens ahead; afterwards nothing of either is left."""
    async with edge(max_ahead=8) as server, Shim(server.port) as shim, device(shim.address, draft, **changes) as client:
        yield client, shim, server
    await nothing_alive()


async def up_to_a_piece(events: Events) -> str:
    async for event in events:
        if isinstance(event, Piece):
            return event.text
    raise AssertionError("no piece came")


def take_away(shim: Shim) -> None:
    """Nobody comes through from now on."""
    shim.stall()
    shim.cut()


@pytest.mark.parametrize("agreement", [0.0, 0.8, 1.0])
async def test_the_draft_goes_on_alone_and_is_taken_back_when_the_edge_returns(agreement: float) -> None:
    async with system(toy_draft(agreement), fallback="local", reconnect_seconds=60.0) as (client, shim, _):
        answer = await client.ask(QUESTION)
        provisional, taken_back = "", False
        async with aclosing(answer.events()) as events:
            shown = await up_to_a_piece(events)
            take_away(shim)
            async for event in events:
                match event:
                    case Provisional(text):
                        assert text.startswith(provisional) or not text
                        taken_back = bool(provisional) and not text
                        provisional = text
                        if len(text) > 40:
                            shim.flow()
                    case Piece():
                        assert not provisional  # nothing stands behind what may be taken back
                        shown += event.text
        assert taken_back
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), QUESTION)
        assert shown == answer.result.text


async def test_a_draft_that_agrees_says_alone_what_the_edge_would() -> None:
    async with system(toy_draft(1.0), fallback="local", reconnect_seconds=0.5) as (client, shim, server):
        answer = await client.ask(QUESTION)
        shown, provisional, ended = "", "", None
        async with aclosing(answer.events()) as events:
            shown += await up_to_a_piece(events)
            take_away(shim)
            try:
                async for event in events:
                    match event:
                        case Provisional(provisional):
                            pass
                        case Piece():
                            shown += event.text
            except CovspecError as error:
                ended = type(error)  # the error itself would keep the draft alive
        assert ended is Unavailable
        assert shown + provisional == toy_target().tokenizer.decode(alone(toy_target(), QUESTION))
        assert answer.result is None
        await eventually(lambda: server.parked == server.sessions)


async def test_who_goes_away_while_the_draft_speaks_leaves_nothing() -> None:
    async with system(toy_draft(token_seconds=0.001), fallback="local") as (client, shim, _):
        events = (await client.ask(QUESTION)).events()
        await up_to_a_piece(events)
        take_away(shim)
        async for event in events:
            if isinstance(event, Provisional):
                break
        await events.aclose()
        shim.flow()
        await exact(client, QUESTION)


async def test_who_does_not_want_to_wait_is_told_at_the_first_break() -> None:
    async with system(toy_draft(), fallback="error") as (client, shim, server):
        answer = await client.ask(QUESTION)
        pieces = answer.pieces()
        await anext(pieces)
        shim.cut()
        with pytest.raises(Unavailable):
            await drained(pieces)
        assert answer.result is None
        await eventually(lambda: server.parked, 1)


@pytest.mark.parametrize(("fallback", "drafting"), [("wait", True), ("local", False)])
async def test_who_waits_or_does_not_draft_is_shown_nothing_provisional(fallback: str, drafting: bool) -> None:
    async with system(toy_draft(), fallback=fallback, drafting=drafting) as (client, shim, _):
        answer = await client.ask(QUESTION)
        async with aclosing(answer.events()) as events:
            await up_to_a_piece(events)
            shim.cut()
            assert not [event async for event in events if isinstance(event, Provisional)]
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), QUESTION)
