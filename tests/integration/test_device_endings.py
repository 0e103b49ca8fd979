"""However an answer ends at the device - read, closed, cancelled, cut, taken over - nothing of it stays at the edge."""

from __future__ import annotations

import asyncio
from functools import partial

import grpc
import pytest

from device_client import silence
from device_client.answer import Answer
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.errors import CovspecError, InvalidValue, OutOfStep, Superseded, Unavailable
from shared.speculation.messages import Commit, Finished, FinishReason
from shared.wire.codec import FromEdge
from tests.support.hostile_edge import OPENED, HostileEdge
from tests.support.raw_device import RawDevice, resume
from tests.support.shim import Shim
from tests.support.system import (
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

PACES = ["eager", "thrifty", "auto"]


@pytest.mark.parametrize("pace", PACES)
async def test_an_answer_that_is_closed_frees_its_session_at_once(pace: str) -> None:
    async with edge(park_seconds=600) as server, device(f"127.0.0.1:{server.port}", toy_draft(), pace=pace) as client:
        pieces = (await client.ask(asked("enough?", ignore_eos=True))).pieces()
        await anext(pieces)
        await pieces.aclose()
        assert (server.sessions, server.places) == (0, 0)
        await exact(client, asked("and now?"))


async def test_an_answer_whose_reader_is_cancelled_frees_its_session_at_once() -> None:
    steps = Steps()
    async with (
        edge(lambda: counted_target(steps), park_seconds=600) as server,
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
    ):
        reading = asyncio.create_task(whole(await client.ask(asked("enough?", ignore_eos=True))))
        await eventually(lambda: steps.count > 5)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert (server.sessions, server.places) == (0, 0)


async def test_a_reader_that_is_cancelled_during_a_long_step_frees_its_session_after_it() -> None:
    steps = Steps()
    async with (
        edge(lambda: counted_target(steps), park_seconds=600) as server,
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
    ):
        steps.hold()
        reading = asyncio.create_task(whole(await client.ask(asked("enough?"))))
        await eventually(lambda: steps.count, 1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading  # it waits for the edge, but not for ever
        steps.let_go()
        await eventually(lambda: (server.sessions, server.places), (0, 0))


async def test_an_answer_that_nobody_reads_on_says_so_when_it_is_forgotten() -> None:
    async with edge(park_seconds=600) as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        async for _ in (await client.ask(asked("enough?", ignore_eos=True))).pieces():
            break
        await eventually(lambda: (server.sessions, server.places), (0, 0))


async def test_an_answer_that_is_over_is_not_parked() -> None:
    async with edge(park_seconds=600) as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        for number in range(3):
            await exact(client, asked(f"question {number}"))
            assert (server.sessions, server.places) == (0, 0)


async def test_a_slow_reader_gets_it_all() -> None:
    steps = Steps()
    question = asked("slowly, please", ignore_eos=True, max_tokens=60)
    async with (
        edge(lambda: counted_target(steps), max_ahead=16) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(), drafting=False) as client,
    ):
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        await eventually(lambda: steps.count > 14)  # then the edge waits for it
        await drained(pieces)
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)


async def test_an_edge_that_is_not_there_is_said() -> None:
    async with edge() as server:
        address = f"127.0.0.1:{server.port}"
    async with device(address, toy_draft()) as client:
        with pytest.raises(Unavailable):
            await client.ask(asked())
    await nothing_alive()


async def test_an_edge_that_goes_away_for_good_is_given_up() -> None:
    async with edge(partial(toy_target, step_seconds=0.002)) as server:
        async with Shim(server.port) as shim:
            client_at = device(shim.address, toy_draft(), reconnect_seconds=0.3)
            client = await client_at.__aenter__()
            answer = await client.ask(asked("still there?", ignore_eos=True))
            pieces = answer.pieces()
            await anext(pieces)
        with pytest.raises(Unavailable):
            await drained(pieces)
        assert answer.result is None
        await client_at.__aexit__(None, None, None)


async def test_an_edge_that_comes_back_on_its_port_is_asked_again() -> None:
    slow = partial(toy_target, step_seconds=0.002)
    question = asked("still there?", ignore_eos=True, max_tokens=80, temperature=1.0)
    first = EdgeServer(EdgeConfig(port=0, drain_seconds=0), slow)
    await first.__aenter__()
    async with device(f"127.0.0.1:{first.port}", toy_draft()) as client:
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        reading = asyncio.create_task(drained(pieces))
        await first.__aexit__(None, None, None)
        async with edge(slow, port=first.port) as second:
            await reading
            assert second.sessions == 0
    assert answer.result is not None
    assert answer.result.ids == alone(toy_target(), question, answer.result.parameters.seed)
    await nothing_alive()


async def test_an_answer_that_somebody_takes_over_is_not_fought_for(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps()
    # The draft hangs and nobody asks for a sign of life: neither end has a word that the refusal could cross.
    steps.hold()
    monkeypatch.setattr(silence, "_SHORTEST_QUIET", 60.0)
    monkeypatch.setattr(silence, "_LONGEST_QUIET", 60.0)
    draft = toy_draft(step_seconds=1e-6, sleep=steps)  # type: ignore[arg-type]
    async with (
        edge() as server,
        device(f"127.0.0.1:{server.port}", draft, pace="thrifty") as client,
        RawDevice(f"127.0.0.1:{server.port}") as thief,
    ):
        answer = await client.ask(asked("mine?", ignore_eos=True))
        pieces = answer.pieces()
        await anext(pieces)
        opened = answer._session.opened
        assert opened is not None
        stream = await thief.stream(resume(opened, seen=4096))
        assert (await stream.refusal()).code is grpc.StatusCode.FAILED_PRECONDITION
        await eventually(lambda: server.places, 0)
        with pytest.raises(Superseded, match="a newer stream"):
            await drained(pieces)
        steps.let_go()
    await nothing_alive()


@pytest.mark.parametrize(
    ("script", "error", "sentence"),
    [
        ([b"\xff"], InvalidValue, "response is 1 bytes"),
        ([b""], InvalidValue, "response.payload is not set"),
        ([OPENED, Commit(1, (7,), (0,))], OutOfStep, "commit.start is 1"),
        ([OPENED, Commit(0, (30,) * 4097, (0,))], InvalidValue, "commit.ids is 4097 ids"),
        ([Finished(FinishReason.EOS, 0)], OutOfStep, "said finished before opened"),
        ([Commit(0, (30,), (0,))], OutOfStep, "said commit before opened"),
        ([OPENED, Commit(0, (30,), (0,)), Finished(FinishReason.EOS, 7)], OutOfStep, "finished.length is 7"),
        ([OPENED], Unavailable, "ended the stream before the answer|the stream was cut"),
    ],
)
async def test_an_edge_that_breaks_the_rules_is_told_by_name(
    script: list[FromEdge | bytes], error: type[CovspecError], sentence: str
) -> None:
    async with HostileEdge(script) as hostile:
        address = f"127.0.0.1:{hostile.port}"
        async with device(address, toy_draft(), reconnect_seconds=0.05) as client:
            answer: Answer = await client.ask(asked())
            with pytest.raises(error, match=sentence):
                await whole(answer)
            assert hostile.streams < 5
    await nothing_alive()
