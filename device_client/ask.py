"""`device-client ask`: one question about pictures, answered on the terminal."""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import uvloop

from device_client.answer import Question
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.local import local_pieces
from device_client.perceive import perceive
from device_client.show import Screen
from shared.demo.pair import draft_folder
from shared.errors import Unavailable
from shared.speculation.request import SamplingWish
from shared.vlm.load import load, set_threads
from shared.vlm.port import Vlm


@dataclass(frozen=True)
class Wanted:
    """What the command line asked for."""

    pictures: tuple[Path, ...]
    prompt: str
    sampling: SamplingWish


def answer_on(wanted: Wanted, config: DeviceConfig, screen: Screen) -> int:
    """Ask and show the answer; the exit code."""
    logging.basicConfig(level=logging.WARNING, format="device-client: %(message)s")
    question = perceive(wanted.pictures, wanted.prompt, wanted.sampling)
    set_threads(config.threads, config.draft)
    with screen.busy(f"loading the draft {config.draft} …"):
        name = str(draft_folder()) if config.draft == "demo" else config.draft
        draft = load(name, config.dtype, config.device)
    uvloop.run(_ask(question, config, draft, screen))
    return 0


async def _ask(question: Question, config: DeviceConfig, draft: Vlm, screen: Screen) -> None:
    async with Client(config, draft) as client:
        try:
            answer = await client.ask(question)
        except Unavailable as gone:
            if config.fallback == "error":
                raise Unavailable(f"the edge {config.edge} cannot be reached: {str(gone).strip()}") from None
            screen.note(f"the edge {config.edge} cannot be reached: {str(gone).strip()}")
            screen.note("the draft answers alone, less well than the target would")
            await _show_local(question, draft, client, screen)
            return
        screen.legend()
        async with aclosing(answer.pieces()) as pieces:
            async for piece in pieces:
                screen.piece(piece)
        assert answer.result is not None
        screen.end(answer.result, answer.result.text)


async def _show_local(question: Question, draft: Vlm, client: Client, screen: Screen) -> None:
    text = ""
    async with aclosing(local_pieces(question, draft, client.thread)) as pieces:
        async for piece in pieces:
            text += piece.text
            screen.piece(piece)
    screen.end(None, text)
