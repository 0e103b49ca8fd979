"""A chat of several turns over real gRPC: what the edge still holds of the last turn makes no text another."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from device_client.chat import Chat, SeenPicture
from device_client.client import Client
from edge_server.config import EdgeConfig
from edge_server.engine.events import Step
from edge_server.server import EdgeServer
from shared.speculation.messages import Finish, FinishReason
from shared.speculation.request import SamplingWish
from shared.vlm.toy import ToyVlm
from shared.wire.handshake import Drain
from tests.support.raw_device import at, opened_at
from tests.support.shim import Shim
from tests.support.system import a_picture, alone, device, edge, eventually, nothing_alive, toy_draft, toy_target, whole

SAID = ("what is in the picture?", "and what is behind it?", "which of them is red?", "and now?")


def seen(number: int) -> SeenPicture:
    """A picture as a person gives it."""
    encoded = a_picture(number)
    return SeenPicture(encoded, Image.open(io.BytesIO(encoded)).convert("RGB"))


def brought(turn: int, first: int = 0) -> list[SeenPicture]:
    """A picture with the first turn, and another one with the third."""
    return [seen(first + turn)] if turn in (0, 2) else []


async def talk(client: Client, wish: SamplingWish, said: Sequence[str] = SAID, first: int = 0) -> list[str]:
    """A chat; each answer is the target's own."""
    chat, told = Chat(), []
    for turn, words in enumerate(said):
        chat = chat.asked(words, brought(turn, first))
        question = chat.question(wish)
        result = await whole(await client.ask(question))
        assert result.ids == alone(toy_target(), question, result.parameters.seed)
        chat = chat.answered(result.text)
        told.append(result.text)
    return told


def reused(steps: Sequence[Step]) -> list[tuple[int, int]]:
    """Of each answer, how many tokens of its prompt were reused, and how many it has."""
    return [(step.reused_tokens, step.begun_tokens) for step in steps if step.begun_tokens]


@pytest.mark.parametrize(("pace", "temperature"), list(itertools.product(["eager", "thrifty", "auto"], [0.0, 1.0])))
async def test_a_chat_reads_the_same_with_and_without_reuse(pace: str, temperature: float) -> None:
    wish = SamplingWish(temperature=temperature, seed=3, max_tokens=40)
    texts = []
    for mib in (0.0, 1.0):
        steps: list[Step] = []
        async with (
            edge(toy_target, steps.append, reuse_mib=mib, prefill_chunk=16) as server,
            device(f"127.0.0.1:{server.port}", toy_draft(), pace=pace) as client,
        ):
            texts.append(await talk(client, wish))
            counts = reused(steps)
        if mib:
            assert counts[0][0] == 0
            for (_, before), (taken, prompt) in itertools.pairwise(counts):
                assert before < taken < prompt  # all of the last turn's prompt, and of its answer
        else:
            assert all(taken == 0 for taken, _ in counts)
    assert texts[0] == texts[1]


async def test_chats_side_by_side_take_each_their_own() -> None:
    steps: list[Step] = []
    wish = SamplingWish(temperature=1.0, seed=5, max_tokens=30)
    async with (
        edge(partial(toy_target, step_seconds=0.001), steps.append) as server,
        device(f"127.0.0.1:{server.port}", toy_draft()) as client,
    ):
        await asyncio.gather(*(talk(client, wish, first=10 * number) for number in range(4)))
    counts = reused(steps)
    first = min(prompt for _, prompt in counts)  # the first turns all have as many tokens
    assert sum(taken >= first for taken, _ in counts) == 4 * (len(SAID) - 1)
    await nothing_alive()


async def test_a_turn_is_the_same_after_one_that_was_resumed() -> None:
    wish = SamplingWish(temperature=0.0, ignore_eos=True, max_tokens=60)
    slow = partial(toy_target, step_seconds=0.002)
    async with edge(slow) as server, Shim(server.port) as shim, device(shim.address, toy_draft()) as client:
        chat, said = Chat().asked(SAID[0], [seen(0)]), ""
        answer = await client.ask(chat.question(wish))
        async for piece in answer.pieces():
            if not said:
                shim.cut()
            said += piece.text
        assert answer.figures().reconnects > 0
        question = chat.answered(said).asked(SAID[1]).question(wish)
        result = await whole(await client.ask(question))
        assert result.ids == alone(toy_target(), question)


async def test_a_turn_is_the_same_while_the_last_one_is_parked() -> None:
    wish = SamplingWish(temperature=0.0, max_tokens=30)
    async with edge() as server:
        async with at(server) as raw:
            held: list[int] = []
            await opened_at(raw, held)
        await eventually(lambda: server.parked, 1)
        said = toy_target().tokenizer.decode(held)
        question = Chat().asked("tell me more").answered(said).asked(SAID[1]).question(wish)
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            result = await whole(await client.ask(question))
            assert result.ids == alone(toy_target(), question)
        assert server.parked == 1


async def test_what_one_tenant_asked_makes_no_answer_of_another_faster(tmp_path: Path) -> None:
    tokens = {"alice": "token-of-alice-" + "a" * 20, "bob": "token-of-bob-" + "b" * 20}
    path = tmp_path / "tenants.toml"
    path.write_text("".join(f'{name} = "{token}"\n' for name, token in tokens.items()))
    steps: list[Step] = []
    wish = SamplingWish(temperature=0.0, max_tokens=20)
    async with edge(toy_target, steps.append, tenants=path) as server:
        for name in ("alice", "bob", "alice"):
            async with device(f"127.0.0.1:{server.port}", toy_draft(), token=tokens[name]) as client:
                await talk(client, wish, SAID[:1])
    (first, prompt), (second, _), (third, _) = reused(steps)
    assert (first, second, third) == (0, 0, prompt - 1)


async def test_the_draft_reads_but_what_is_new_of_a_turn() -> None:
    taken: list[float] = []  # tokens of each of its forwards
    draft = ToyVlm("draft", seed=1, agreement=0.8, token_seconds=1.0, sleep=taken.append)
    wish = SamplingWish(temperature=0.0, max_tokens=20)
    async with edge() as server, device(f"127.0.0.1:{server.port}", draft, prune="none") as client:
        chat = Chat().asked(SAID[0], [seen(0)])
        first = await whole(await client.ask(chat.question(wish)))
        prompt = len(draft.prepare(chat.messages, [picture.image for picture in chat.pictures]).ids)
        assert prompt in taken
        taken.clear()
        second = chat.answered(first.text).asked(SAID[1]).question(wish)
        whole_second = len(draft.prepare(second.messages, second.images).ids)
        result = await whole(await client.ask(second))
        assert result.ids == alone(toy_target(), second)
    assert 0 < max(taken) <= whole_second - prompt
    await nothing_alive()


async def test_a_drain_drops_at_once_what_answers_have_left() -> None:
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=20, warm_up=False), toy_target)
    await server.__aenter__()
    async with at(server) as raw:
        running, _ = await opened_at(raw, [])
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            await talk(client, SamplingWish(temperature=0.0, max_tokens=20), SAID[:2])
        assert server.left > 0
        leaving = asyncio.create_task(server.__aexit__(None, None, None))
        await running.until(Drain)
        await eventually(lambda: server.left, 0)
        assert not leaving.done()
        await running.send(Finish(FinishReason.CANCELLED))
        await running.ended()
        await leaving
    assert server.left == 0
    await nothing_alive()
