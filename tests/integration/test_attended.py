"""Drafts with the tokens where the target looks, over real gRPC: the text stays, and each stream is told once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor

from benchmarks.held_out import held_out
from device_client.client import Client
from shared.demo.pair import draft_folder, target_folder
from shared.errors import Unsupported
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Prompt, VisualTokens, Vlm
from shared.vlm.toy import ToyVlm
from shared.wire.ledger import Direction
from tests.support.shim import Shim
from tests.support.system import (
    a_picture,
    alone,
    asked,
    bystander,
    device,
    edge,
    exact,
    nothing_alive,
    toy_draft,
    toy_target,
)

ENTERED = "visual tokens enter the draft, as the target attends"


def messages_told(client: Client) -> int:
    return client.traffic.kind("attended").messages


@cache
def target() -> Vlm:
    return load(str(target_folder()))


@pytest.mark.parametrize("pace", ["eager", "thrifty", "auto"])
async def test_every_budget_leaves_the_text_as_it_is(pace: str) -> None:
    async with edge(attends=True) as server, bystander(server):
        for number, keep in enumerate(("0", "1", "40%", "7", "100%")):
            wishes = {"temperature": number % 2, "seed": number, "max_tokens": 30, "ignore_eos": True}
            question = asked(f"what of {keep}?", a_picture(number, 60), a_picture(number + 1, 90), **wishes)
            address = f"127.0.0.1:{server.port}"
            async with device(address, toy_draft(), prune="verifier", keep=keep, pace=pace) as client:
                await exact(client, question)
                assert messages_told(client) == (keep != "100%")


@pytest.mark.parametrize("rule", ["coupled", "rejection"])
async def test_the_draft_begins_anew_with_what_was_told(rule: str, caplog: pytest.LogCaptureFixture) -> None:
    question = asked("where?", a_picture(1, 90), ignore_eos=True, max_tokens=80)
    async with edge(attends=True) as server:
        # thrifty: the edge does not get far without drafts, so they come after the word
        options = {"prune": "verifier", "keep": "25%", "pace": "thrifty", "rule": rule}
        async with device(f"127.0.0.1:{server.port}", toy_draft(), **options) as client:
            with caplog.at_level(logging.INFO, "device_client"):
                await exact(client, question)
    assert caplog.text.count(ENTERED) == 1


async def test_it_costs_eight_bytes_a_token_and_is_counted_by_its_kind() -> None:
    question = asked("where?", a_picture(1, 90), ignore_eos=True, max_tokens=20)
    async with (
        edge(attends=True) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(), prune="verifier", keep="9") as client,
    ):
        result = await exact(client, question)
    tally = result.figures.traffic.kind("attended")
    assert tally.messages == 1
    assert 9 * 8 <= tally.payload <= 9 * 8 + 16
    (entry,) = [entry for entry in result.figures.traffic.entries if entry.kind == "attended"]
    assert entry.direction is Direction.DOWN


async def test_without_a_picture_nothing_is_told() -> None:
    async with (
        edge(attends=True) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(), prune="verifier", keep="9") as client,
    ):
        await exact(client, asked("what is it?"))
        assert messages_told(client) == 0


async def test_an_edge_that_does_not_tell_is_refused_by_name() -> None:
    async with edge() as server:
        async with device(f"127.0.0.1:{server.port}", toy_draft(), prune="verifier", keep="9") as client:
            with pytest.raises(Unsupported, match="--prune verifier needs one that runs with --attends"):
                await client.ask(asked("where?", a_picture(1)))
        async with device(
            f"127.0.0.1:{server.port}", toy_draft(), prune="verifier", keep="9", drafting=False
        ) as client:
            await exact(client, asked("where?", a_picture(1)))  # nothing is pruned, and nothing asked for


async def test_a_target_that_cannot_say_where_it_looks_answers_all_the_same() -> None:
    class Blind(ToyVlm):
        def attention(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
            raise RuntimeError("a secret of the machine room")

    async with (
        edge(lambda: Blind("target", seed=1), attends=True) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(), prune="verifier", keep="9") as client,
    ):
        await exact(client, asked("where?", a_picture(1), max_tokens=20))
        assert messages_told(client) == 0


async def cut_after_the_first_word(park_seconds: float) -> Client:
    """A link that is cut when the answer has begun, and an edge that keeps the session for so long."""
    question = asked("where?", a_picture(1, 90), ignore_eos=True, max_tokens=300)
    async with edge(attends=True, park_seconds=park_seconds) as server, Shim(server.port, 0.001) as link:
        options = {"prune": "verifier", "keep": "9", "pace": "thrifty"}
        async with device(link.address, toy_draft(), **options) as client:
            answer = await client.ask(question)
            async for _ in answer.pieces():
                if not link.cuts and messages_told(client):
                    link.cut()
            assert answer.result is not None
            assert answer.result.ids == alone(toy_target(), question)
            assert answer.result.figures.reconnects == link.cuts == 1
    await nothing_alive()
    return client


async def test_a_stream_that_resumes_is_told_again() -> None:
    assert messages_told(await cut_after_the_first_word(park_seconds=60.0)) == 2


async def test_who_knows_already_does_not_ask_again_where_an_answer_is_reopened() -> None:
    client = await cut_after_the_first_word(park_seconds=0.0)
    assert messages_told(client) == 1
    assert client.traffic.kind("open").messages == 2


async def test_a_break_while_the_target_looks_loses_nothing() -> None:
    begun, let_go = threading.Event(), threading.Event()

    class Slow(ToyVlm):
        def attention(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
            begun.set()
            assert let_go.wait(20)
            return super().attention(prompt, visual)

    question = asked("where?", a_picture(1, 90), ignore_eos=True, max_tokens=60)
    async with (
        edge(lambda: Slow("target", seed=1), attends=True) as server,
        Shim(server.port) as link,
        device(link.address, toy_draft(), prune="verifier", keep="9", pace="thrifty") as client,
    ):
        answer = await client.ask(question)
        async for _ in answer.pieces():
            if not link.cuts:
                assert begun.wait(20)
                link.cut()
                let_go.set()
        assert answer.result is not None
        assert answer.result.ids == alone(toy_target(), question)
        assert messages_told(client) == 1
    await nothing_alive()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_the_text_of_the_pair_stays(temperature: float, caplog: pytest.LogCaptureFixture) -> None:
    torch.set_num_threads(1)
    question = held_out(3, "list", SamplingWish(temperature=temperature, seed=5, max_tokens=40))
    make: Callable[[], Vlm] = target
    async with edge(make, attends=True) as server:
        options = {"prune": "verifier", "keep": "8.3%", "pace": "thrifty"}
        async with device(f"127.0.0.1:{server.port}", load(str(draft_folder())), **options) as client:
            with caplog.at_level(logging.INFO, "device_client"):
                result = await exact(client, question, target())
    assert result.figures.drafted > 0
    assert caplog.text.count(ENTERED) == 1
