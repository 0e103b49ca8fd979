"""An answer goes on with the target that began it and with no other, whatever that one is called."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

import pytest

from device_client.answer import Piece, Result
from device_client.ask import show_answer
from device_client.config import DeviceConfig
from device_client.link import server_info
from device_client.show import Screen
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.errors import CovspecError, ModelMismatch, Unavailable
from shared.speculation.messages import Commit
from shared.speculation.prints import short
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.wire.codec import FromDevice, FromEdge
from shared.wire.handshake import Open, Opened
from tests.support.hostile_edge import OPENED, HostileEdge
from tests.support.raw_device import at, opening
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
from tests.support.tiny_families import nudge
from tests.support.tiny_qwen import tiny_folder, tiny_qwen

LONG = asked("who goes on?", ignore_eos=True, max_tokens=40, temperature=1.0, seed=5)
OTHER = b"o" * 16


@dataclass
class Outcome:
    """What came of an answer whose edge became another."""

    pieces: list[Piece] = field(default_factory=list)
    result: Result | None = None
    refusal: str = ""


async def moved(first: Callable[[], Vlm], second: Callable[[], Vlm], draft: Vlm) -> Outcome:
    """An answer whose edge, after its first words, goes away and comes back on the same port with `second`."""
    outcome = Outcome()
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=0, max_ahead=8, warm_up=False, reflection=False), first)
    await server.__aenter__()
    async with device(f"127.0.0.1:{server.port}", draft, drafting=False) as client:
        answer = await client.ask(LONG)
        reading = answer.pieces()
        outcome.pieces.append(await anext(reading))
        await server.__aexit__(None, None, None)
        async with edge(second, port=server.port) as again:
            try:
                outcome.pieces += [piece async for piece in reading]
            except ModelMismatch as refusal:
                outcome.refusal = str(refusal)
            await eventually(lambda: again.places, 0)
            assert (await whole(await client.ask(LONG))).ids == alone(second(), LONG, 5)
    outcome.result = answer.result
    await nothing_alive()
    return outcome


def check_refused(outcome: Outcome, first: Callable[[], Vlm], second: Callable[[], Vlm]) -> None:
    """Nothing but the first target's own text was shown, and the person was told why there is no more of it."""
    began, now = (short(vlm().fingerprint()) for vlm in (first, second))
    assert outcome.result is None
    assert "the answer is not complete" in outcome.refusal
    assert f"is {now}, not {began}" in outcome.refusal
    target = first()
    text = target.tokenizer.decode(alone(target, LONG, 5))
    assert text.startswith("".join(piece.text for piece in outcome.pieces))


def weights(folder: Path, into: Path) -> None:
    nudge(folder, into, 0.5)


def processor(folder: Path, into: Path) -> None:
    file = Path(shutil.copytree(folder, into)) / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_mean": [0.4, 0.5, 0.5]}))


def template(folder: Path, into: Path) -> None:
    file = Path(shutil.copytree(folder, into)) / "chat_template.jinja"
    file.write_text(file.read_text().replace("assistant", "system"))


def ending(folder: Path, into: Path) -> None:
    file = Path(shutil.copytree(folder, into)) / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": 40}))


def nothing(folder: Path, into: Path) -> None:
    shutil.copytree(folder, into)


CHANGES = {"weights": weights, "image processor": processor, "chat template": template, "end of sequence": ending}


@pytest.mark.parametrize("change", CHANGES)
async def test_another_target_in_a_folder_of_the_same_name_does_not_go_on_with_an_answer(
    change: str, tmp_path: Path
) -> None:
    CHANGES[change](tiny_folder(), tmp_path / "b" / "target")
    shutil.copytree(tiny_folder(), tmp_path / "a" / "target")
    first, second = (partial(load, str(tmp_path / name / "target")) for name in "ab")
    assert first().info.name == second().info.name
    check_refused(await moved(first, second, tiny_qwen()), first, second)


async def test_the_same_weights_in_another_dtype_do_not_go_on_with_an_answer() -> None:
    first, second = (partial(load, str(tiny_folder()), dtype) for dtype in ("float32", "bfloat16"))
    check_refused(await moved(first, second, tiny_qwen()), first, second)


async def test_a_toy_of_another_seed_does_not_go_on_with_an_answer() -> None:
    other = partial(replace, toy_target(), seed=2)
    check_refused(await moved(toy_target, other, toy_draft()), toy_target, other)


async def test_the_same_target_under_another_name_goes_on_with_an_answer(tmp_path: Path) -> None:
    nothing(tiny_folder(), tmp_path / "another name")
    first, second = partial(load, str(tiny_folder())), partial(load, str(tmp_path / "another name"))
    outcome = await moved(first, second, tiny_qwen())
    assert outcome.result is not None
    assert outcome.result.figures.reconnects == 1
    assert outcome.result.ids == alone(tiny_qwen(), LONG, 5)
    assert outcome.result.text == "".join(piece.text for piece in outcome.pieces)


@pytest.mark.parametrize("after", ["the edge was asked what it serves", "the answer was opened"])
async def test_who_opens_or_resumes_with_another_target_is_left(after: str) -> None:
    begun = after == "the answer was opened"
    other = replace(OPENED, fingerprint=OTHER)
    async with (
        HostileEdge([OPENED, Commit(0, (30,), (0,))] if begun else [other]) as hostile,
        device(f"127.0.0.1:{hostile.port}", toy_draft()) as client,
    ):
        reading = (await client.ask(asked())).pieces()
        if begun:
            await anext(reading)
            hostile.script = [other]  # at the resume
        with pytest.raises(ModelMismatch, match=f"is {short(OTHER)}, not {short(OPENED.fingerprint)}") as refusal:
            await anext(reading)
        assert ("not complete" in str(refusal.value)) is begun
        assert hostile.streams == 1 + begun
    await nothing_alive()


class Watched(Screen):
    """Tells when it shows what the draft says while the edge is away."""

    def __init__(self) -> None:
        super().__init__("never", as_json=False)
        self.alone = False

    def provisional(self, text: str) -> None:
        self.alone = self.alone or bool(text)
        super().provisional(text)


@pytest.mark.parametrize("fallback", ["wait", "local"])
async def test_a_draft_that_answers_while_the_edge_is_away_ends_the_answer_if_another_target_comes_back(
    fallback: Literal["wait", "local"], capsys: pytest.CaptureFixture[str]
) -> None:
    screen, tries = Watched(), count(1)

    def comes_back(first: FromDevice) -> Iterator[FromEdge | CovspecError]:
        if isinstance(first, Open):
            yield OPENED
            yield Commit(0, (30,), (0,))
        elif screen.alone or (fallback == "wait" and next(tries) > 2):
            yield replace(OPENED, fingerprint=OTHER)
        yield Unavailable("away")

    async with (
        HostileEdge(comes_back) as hostile,
        device(f"127.0.0.1:{hostile.port}", toy_draft(1.0), fallback=fallback) as client,
    ):
        config = DeviceConfig(edge=f"127.0.0.1:{hostile.port}", fallback=fallback)
        confirmed: list[str] = []
        with nullcontext() if fallback == "local" else pytest.raises(ModelMismatch, match="not complete"):
            await show_answer(client, asked(max_tokens=20), config, screen, confirmed)
    out, err = capsys.readouterr()
    assert out.startswith("".join(confirmed))
    if fallback == "local":
        assert len(out) > len("".join(confirmed)) + 1
        assert "the answer is not complete" in err
        assert "the rest is the draft's own" in err


async def test_a_pair_that_does_not_fit_is_told_and_no_reason_for_the_draft_to_answer_alone() -> None:
    async with edge(lambda: toy_target(rows=64)) as server:
        address = f"127.0.0.1:{server.port}"
        async with device(address, toy_draft(), fallback="local") as client:
            config = DeviceConfig(edge=address, fallback="local")
            with pytest.raises(ModelMismatch, match="do not fit"):
                await show_answer(client, asked(), config, Screen("never", as_json=False), [])


async def test_a_device_that_asks_again_gets_the_new_target_s_answer() -> None:
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=0, warm_up=False), toy_target)
    await server.__aenter__()
    new = replace(toy_target(), seed=2)
    async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        await exact(client, LONG)
        await server.__aexit__(None, None, None)
        async with edge(lambda: new, port=server.port):
            with pytest.raises(ModelMismatch, match="ask again") as refusal:
                await whole(await client.ask(LONG))
            assert "not complete" not in str(refusal.value)
            await exact(client, LONG, new)


async def test_an_edge_tells_its_target_s_fingerprint_when_asked_and_when_it_opens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    told = toy_target().fingerprint()
    async with edge(metrics_port=0) as server, at(server) as raw:
        assert (await server_info(raw.channel)).fingerprint == told
        assert (await (await raw.stream(opening())).until(Opened)).fingerprint == told
        assert f"fingerprint {short(told)}" in caplog.text
        page = await asyncio.to_thread(urlopen, f"http://127.0.0.1:{server.metrics_port}/metrics")
        assert f'covspec_model_info{{fingerprint="{told.hex()}"' in page.read().decode()
