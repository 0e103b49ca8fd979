"""The device over a real edge: whatever its draft does, and however its answer ends, the text is the target's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import pytest

from device_client.answer import Answer
from device_client.client import Client
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from edge_server.service import SERVICE
from shared.errors import CovspecError, InvalidValue, OutOfStep, Superseded, Unavailable
from shared.speculation.messages import Commit, Finished, FinishReason, Pace
from shared.speculation.request import SamplingParameters
from shared.vlm.toy import ToyVlm
from shared.wire.codec import FromEdge, encode_info, encode_response
from shared.wire.handshake import Limits, Opened, Rule, ServerInfo
from tests.support.raw_device import RawDevice, resume
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

PACES = ["eager", "thrifty"]


def counted_draft(steps: Steps, **changes: float) -> ToyVlm:
    return toy_draft(step_seconds=1e-6, sleep=steps, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def system(draft: ToyVlm, **changes: object) -> AsyncIterator[Client]:
    """A device at an edge of its own; afterwards nothing of either is left."""
    async with edge() as server:
        async with device(f"127.0.0.1:{server.port}", draft, **changes) as client:
            yield client
        await eventually(lambda: server.places, 0)
    await nothing_alive()


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_a_slow_draft_changes_nothing(pace: str, temperature: float) -> None:
    async with system(toy_draft(token_seconds=0.005), pace=pace) as client:
        await exact(client, asked("are you slow?", temperature=temperature, max_tokens=30))


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("agreement", [0.0, 1.0])
async def test_a_draft_that_is_always_wrong_or_always_right_changes_nothing(pace: str, agreement: float) -> None:
    async with system(toy_draft(agreement), pace=pace) as client:
        result = await exact(client, asked("are you right?", ignore_eos=True, max_tokens=100))
    accepted = result.figures.accepted_per_step
    assert accepted is not None
    if agreement == 0:
        assert accepted < 0.1  # two rows may agree by chance
    elif pace == "thrifty":
        assert accepted > 0.9
        assert result.figures.steps <= 51


@pytest.mark.parametrize("held_in", ["its first look", "the middle"])
async def test_a_draft_that_hangs_does_not_hold_up_the_edge(held_in: str) -> None:
    steps = Steps()
    question = asked("are you there?", ignore_eos=True, max_tokens=100)
    async with (
        edge(max_ahead=8) as server,
        device(f"127.0.0.1:{server.port}", counted_draft(steps)) as client,
    ):
        if held_in == "its first look":
            steps.hold()
        answer = await client.ask(question)
        pieces = answer.pieces()
        await anext(pieces)
        steps.hold()
        await drained(pieces)  # many times max_ahead: what is read is acknowledged without the draft
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
        steps.let_go()
    await nothing_alive()


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("context", [4, 12, 40])
async def test_a_draft_with_less_context_goes_quiet(pace: str, context: int, caplog: pytest.LogCaptureFixture) -> None:
    async with system(toy_draft(context_length=context), pace=pace) as client:
        result = await exact(client, asked("how much do you remember?", ignore_eos=True, max_tokens=60))
    assert "the device drafts no more for this answer" in caplog.text
    assert len(result.ids) == 60


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("bomb", [1, 2, 3, 10])
async def test_a_draft_that_breaks_is_warned_of_and_changes_nothing(
    pace: str, bomb: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        edge() as server,
        device(f"127.0.0.1:{server.port}", counted_draft(Steps(bomb=bomb)), pace=pace) as client,
    ):
        await exact(client, asked("are you broken?", a_picture(seed=1), ignore_eos=True, max_tokens=60))
        assert "the draft failed: RuntimeError" in caplog.text
        await eventually(lambda: server.places, 0)


@pytest.mark.parametrize("pace", PACES)
async def test_without_drafting_the_edge_answers_alone(pace: str) -> None:
    steps = Steps()
    async with system(counted_draft(steps), pace=pace, drafting=False) as client:
        result = await exact(client, asked("alone?", ignore_eos=True, max_tokens=100, temperature=1.0))
    assert steps.count == 0
    assert result.figures.drafted == 0
    assert result.figures.accepted_per_step == 0
    assert result.figures.passes_per_token == 1


async def test_tokens_that_the_draft_does_not_know_make_it_go_quiet(caplog: pytest.LogCaptureFixture) -> None:
    async with system(toy_draft(rows=128), pace="thrifty") as client:
        question = asked("do you know these words?", ignore_eos=True, max_tokens=60)
        answer = await client.ask(question)
        await drained(answer.pieces())
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
    assert "a token that the draft does not know" in caplog.text


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("length", [1, 9])
async def test_a_stop_string_cuts_the_shown_text_exactly(pace: str, length: int) -> None:
    async with system(toy_draft(), pace=pace) as client:
        free = await exact(client, asked("when do you stop?", ignore_eos=True, max_tokens=60))
        begin = len(free.text) // 2
        stop = free.text[begin : begin + length]
        cut = await exact(client, asked("when do you stop?", ignore_eos=True, max_tokens=60, stop=(stop,)))
    assert cut.text == free.text[: free.text.index(stop)]
    assert cut.reason is FinishReason.STOP
    assert len(cut.ids) < len(free.ids)


@pytest.mark.parametrize("pace", PACES)
async def test_one_token_is_one_token(pace: str) -> None:
    async with system(toy_draft(1.0), pace=pace) as client:
        result = await exact(client, asked("yes or no?", max_tokens=1))
    assert (len(result.ids), result.reason) == (1, FinishReason.LENGTH)


async def test_the_same_seed_says_the_same_whatever_the_draft() -> None:
    question = asked("say something", temperature=1.0, seed=11)
    texts = set()
    for agreement in (0.0, 0.8):
        async with system(toy_draft(agreement)) as client:
            texts |= {(await exact(client, question)).text for _ in range(2)}
    assert len(texts) == 1


async def test_without_a_seed_the_edge_draws_one_and_tells_it() -> None:
    async with system(toy_draft()) as client:
        first, second = [await exact(client, asked("say something", temperature=1.0)) for _ in range(2)]
        assert first.parameters.seed != second.parameters.seed
        again = await exact(client, asked("say something", temperature=1.0, seed=first.parameters.seed))
        assert again.text == first.text


async def test_no_piece_holds_half_a_character() -> None:
    likelier = tuple((first_byte, 4.0) for first_byte in (6, 8, 11))  # of characters of 2, 3 and 4 bytes
    async with system(toy_draft()) as client:
        answer = await client.ask(asked("characters!", ignore_eos=True, max_tokens=200, logit_bias=likelier))
        pieces = [piece.text async for piece in answer.pieces()]
    assert all(pieces)
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces[:-1])  # the last one is where max_tokens cuts
    assert {len(character.encode()) for character in "".join(pieces)} >= {1, 2, 3, 4}


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


async def test_an_answer_that_somebody_takes_over_is_not_fought_for() -> None:
    async with (
        edge(partial(toy_target, step_seconds=0.002)) as server,
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
        RawDevice(f"127.0.0.1:{server.port}") as thief,
    ):
        answer = await client.ask(asked("mine?", ignore_eos=True))
        pieces = answer.pieces()
        await anext(pieces)
        opened = answer._session.opened
        assert opened is not None
        stream = await thief.stream(resume(opened, seen=4096))
        assert (await stream.refusal()).code is grpc.StatusCode.FAILED_PRECONDITION
        with pytest.raises(Superseded, match="a newer stream"):
            await drained(pieces)
        await eventually(lambda: server.places, 0)


PARAMETERS = SamplingParameters(max_tokens=20)
OPENED = Opened(b"s" * 16, b"t" * 16, PARAMETERS, 5, 0, 256, (1,), 16, Pace.EAGER, 60)


class HostileEdge:
    """An edge that says on every stream what it was told to say. Use as `async with`."""

    def __init__(self, script: Iterable[FromEdge | bytes]) -> None:
        self.port = 0
        self.streams = 0
        self._script = list(script)
        self._server = grpc.aio.server()

    async def __aenter__(self) -> HostileEdge:
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Verify": grpc.stream_stream_rpc_method_handler(self._verify),
            "GetServerInfo": grpc.unary_unary_rpc_method_handler(self._info),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    async def _verify(self, requests: AsyncIterator[bytes], context: Any) -> None:
        self.streams += 1
        await anext(aiter(requests))
        for message in self._script:
            await context.write(message if isinstance(message, bytes) else encode_response(message).SerializeToString())

    async def _info(self, _: bytes, __: Any) -> bytes:
        info = toy_target().info
        said = ServerInfo("hostile", "toy", info.prints.vocabulary, b"s" * 32, b"c" * 32, Limits(), (), (), "0")
        return encode_info(replace(said, paces=(Pace.EAGER,), rules=(Rule.COUPLED,))).SerializeToString()


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
