"""A link or an edge that falls silent without a word is noticed; one that is rightly silent is waited for."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from time import monotonic
from typing import Any

import grpc
import pytest

from device_client import link
from device_client.link import Link, connect
from edge_server import service
from shared.errors import CovspecError, InvalidValue, Unavailable
from shared.speculation.messages import Commit, Finished, FinishReason, Ping, Pong, Yield
from shared.wire.codec import FromEdge, encode_response
from shared.wire.handshake import Limits, Opened
from shared.wire.ledger import Ledger
from shared.wire.metadata import signs_metadata
from shared.wire.statuses import status_of
from tests.support.hostile_edge import OPENED, HostileEdge
from tests.support.raw_device import at, opened_at, opening
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
    nothing_alive,
    toy_draft,
    toy_target,
    whole,
)
from tests.support.toys import Steps


async def test_a_link_that_goes_dark_in_mid_answer_is_left_for_a_new_one() -> None:
    steps = Steps()
    question = asked("are you there?", ignore_eos=True, max_tokens=60)
    async with (
        edge(lambda: counted_target(steps), max_ahead=16) as server,
        Shim(server.port) as shim,
        device(shim.address, toy_draft()) as client,
    ):
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        begin = monotonic()
        shim.darken()
        await drained(pieces)
        assert monotonic() - begin >= 1.0  # nobody is given up earlier
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
        assert answer.result.figures.reconnects >= 1
    await nothing_alive()


async def test_the_answer_after_a_dark_link_does_not_begin_on_it() -> None:
    async with (
        edge(partial(toy_target, step_seconds=0.002), max_ahead=16) as server,
        Shim(server.port) as shim,
        device(shim.address, toy_draft()) as client,
    ):
        pieces = (await client.ask(asked("are you there?", ignore_eos=True, max_tokens=60))).pieces()
        await anext(pieces)
        shim.darken()
        await drained(pieces)
        question = asked("and now?")
        answer = await client.ask(question)
        assert (await whole(answer)).ids == alone(toy_target(), question)
        assert answer._session._detours == 0  # it was let in at its first try
    await nothing_alive()


async def test_an_edge_that_takes_long_is_asked_and_waited_for() -> None:
    steps = Steps()
    question = asked("are you thinking?", ignore_eos=True, max_tokens=60)
    async with (
        edge(lambda: counted_target(steps)) as server,
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
    ):
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        steps.hold()
        reading = asyncio.create_task(drained(pieces))
        ledger = answer._session.recorder.ledger
        await eventually(lambda: ledger.traffic().kind("pong").messages >= 2)
        steps.let_go()
        await reading
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
        assert answer.result.figures.reconnects == 0


async def test_who_does_not_read_takes_nobody_for_silent() -> None:
    steps = Steps()
    question = asked("slowly", ignore_eos=True, max_tokens=60)
    async with (
        edge(lambda: counted_target(steps), max_ahead=8) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(), drafting=False) as client,
    ):
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        until = monotonic() + 1.5  # longer than an edge may be silent
        await eventually(lambda: monotonic() > until)
        await drained(pieces)
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
        assert answer.result.figures.reconnects == 0


async def test_an_edge_gives_a_sign_of_life_while_it_waits_for_proposals_or_takes_a_step() -> None:
    steps = Steps()
    async with edge(lambda: counted_target(steps)) as server, at(server) as raw:
        steps.hold()
        stream = await raw.stream(opening(), Ping())
        assert {type(await stream.receive()) for _ in range(2)} == {Pong, Opened}  # whichever comes first
        await stream.send(Ping(), Ping())  # during the prefill
        assert [await stream.receive(), await stream.receive()] == [Pong(), Pong()]
        steps.let_go()
        stream.cancel()
        await eventually(lambda: server.parked, 1)


class Deaf(HostileEdge):
    """Takes no stream, and says nothing."""

    async def _verify(self, requests: AsyncIterator[bytes], context: Any) -> None:
        self.streams += 1
        async for _ in requests:
            pass


async def test_an_edge_that_never_takes_the_stream_is_given_up() -> None:
    async with Deaf([]) as deaf:
        channel = connect(f"127.0.0.1:{deaf.port}")
        async with Link(channel, Limits(), Ledger()) as link:
            link.post(opening())
            with pytest.raises(Unavailable, match="has not taken the stream for"):
                await anext(link.messages())
        await channel.close()
        assert deaf.streams == 1
    await nothing_alive()


class Hanging(HostileEdge):
    """Takes the first stream, promises signs of life, and gives none; then answers."""

    async def _verify(self, requests: AsyncIterator[bytes], context: Any) -> None:
        if self.streams == 0:
            self.streams += 1
            await context.send_initial_metadata(signs_metadata(0.05))
            async for _ in requests:
                pass
        else:
            await super()._verify(requests, context)


async def test_an_edge_that_hangs_before_the_answer_is_opened_is_left_for_another() -> None:
    script: list[FromEdge | bytes] = [OPENED, Commit(0, (30,), (0,)), Finished(FinishReason.EOS, 1)]
    async with Hanging(script) as hanging, device(f"127.0.0.1:{hanging.port}", toy_draft()) as client:
        result = await whole(await client.ask(asked("are you there?", a_picture(seed=5))))
    assert result.ids == (30,)
    assert hanging.streams == 2
    await nothing_alive()


async def test_who_stands_in_line_hears_unasked_that_the_edge_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SIGN_SECONDS", 0.02)
    monkeypatch.setattr(link, "reply_seconds", lambda tempo: 0.5)
    async with (
        edge(max_sessions=1) as server,
        at(server) as first,
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
    ):
        holding, _ = await opened_at(first, [])
        answer = await client.ask(asked("is there a place?", a_picture(seed=6)))
        reading = asyncio.create_task(whole(answer))
        ledger, streams = answer._session.recorder.ledger, server.waiting
        until = monotonic() + 1.5  # longer than it would wait without a sign
        await eventually(lambda: monotonic() > until and ledger.traffic().kind("pong").messages > 2)
        assert (server.waiting, streams) == (1, 0)
        holding.cancel()
        assert (await reading).figures.reconnects == 0
        assert ledger.traffic().kind("open").messages == 1
    await nothing_alive()


async def test_a_loop_that_stood_still_gives_nobody_up() -> None:
    loop, headers = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    coming = asyncio.create_task(link.Link._comes(headers, 0.1))
    await asyncio.sleep(0)
    time.sleep(0.7)  # noqa: ASYNC251 - that is what is tried
    loop.call_later(0.02, headers.set_result, None)  # what came meanwhile takes its time
    assert await coming


async def test_a_stream_that_failed_lets_go_of_its_connection_without_a_collector() -> None:
    gc.collect()
    gc.disable()  # else a closed channel would connect again as soon as there is an edge, and stay
    failed = 0
    try:
        for _ in range(3):
            channel = connect("127.0.0.1:1")
            async with Link(channel, Limits(), Ledger()) as link:
                link.post(opening())
                try:
                    await anext(link.messages())
                except Unavailable:  # pytest.raises would keep it
                    failed += 1
            await channel.close()
            del link, channel
        assert failed == 3
        await eventually(lambda: sum(type(thing) is Link for thing in gc.get_objects()), 0)
    finally:
        gc.enable()


@pytest.mark.parametrize("broken", ["dark", "cut", "never taken"])
async def test_after_a_break_the_device_holds_one_channel_without_a_collector(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "hello_seconds", lambda tempo: 0.3)
    steps = Steps()
    gc.collect()
    before = channels()
    gc.disable()
    try:
        async with (
            edge(lambda: counted_target(steps), max_ahead=16) as server,
            Shim(server.port) as shim,
            device(shim.address, toy_draft()) as client,
        ):
            await client.info()
            if broken == "never taken":
                shim.darken()
            pieces = (await client.ask(asked("are you there?", ignore_eos=True, max_tokens=60))).pieces()
            await anext(pieces)
            if broken != "never taken":
                shim.darken() if broken == "dark" else shim.cut()
            await drained(pieces)
            del pieces
            await eventually(channels, before + 1)
    finally:
        gc.enable()


def channels() -> int:
    return sum(isinstance(thing, grpc.aio.Channel) for thing in gc.get_objects())


class Refusing(HostileEdge):
    """Refuses while the device is talking."""

    async def _verify(self, requests: AsyncIterator[bytes], context: Any) -> None:
        self.streams += 1
        words = aiter(requests)
        await anext(words)
        await context.write(encode_response(OPENED).SerializeToString())
        for _ in range(3):
            await anext(words)
        await context.abort(*status_of(InvalidValue("propose.ids", 7, "it is refused")))


async def test_a_refusal_that_crosses_words_of_the_device_is_heard() -> None:
    heard: Counter[type[CovspecError]] = Counter()
    async with Refusing([]) as refusing:
        address = f"127.0.0.1:{refusing.port}"
        for _ in range(20):
            async with device(address, toy_draft(), reconnect_seconds=0.0, drafting=False) as client:
                answer = await client.ask(asked())

                async def chatter(say: Any = answer._session.say) -> None:
                    while True:
                        say(Yield(True))
                        await asyncio.sleep(0)

                chatting = asyncio.create_task(chatter())
                with pytest.raises(CovspecError) as caught:
                    await whole(answer)
                chatting.cancel()
                heard[type(caught.value)] += 1
    assert heard[InvalidValue] >= 18  # of those that gRPC hid, the device has asked a second time
    assert refusing.streams <= 23
    await nothing_alive()
