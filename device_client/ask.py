"""`device-client ask`: one question about pictures, answered on the terminal."""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from device_client.answer import Answer, Piece, Question
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.local import local_pieces
from device_client.perceive import perceive
from device_client.provisional import Provisional
from device_client.show import Screen
from device_client.trace.trace import Trace
from device_client.trace.trace_file import traced
from shared.demo.pair import draft_folder
from shared.errors import Overloaded, Unavailable
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.threads import pin_process, resolve_threads
from shared.wire.handshake import Queued

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What the command line asked for."""

    pictures: tuple[Path, ...]
    prompt: str
    sampling: SamplingWish
    verbose: bool = False
    trace: Path | None = None


def answer_on(wanted: Wanted, config: DeviceConfig, screen: Screen) -> int:
    """Ask and show the answer; the exit code."""
    logging.basicConfig(level=logging.WARNING, format="device-client: %(message)s")
    if wanted.verbose:
        logging.getLogger("device_client").setLevel(logging.INFO)
    question = perceive(wanted.pictures, wanted.prompt, wanted.sampling)
    config = replace(config, threads=resolve_threads(config.threads, config.draft))
    pin_process(config.threads)
    with screen.busy(f"loading the draft {config.draft} …"):
        name = str(draft_folder()) if config.draft == "demo" else config.draft
        draft = load(name, config.dtype, config.device)
    with traced(wanted.trace) as trace:
        uvloop.run(_ask(question, config, draft, screen, trace))
    return 0


async def _ask(question: Question, config: DeviceConfig, draft: Vlm, screen: Screen, trace: Trace | None) -> None:
    async with Client(config, draft) as client:
        if config.alone:
            await _show_local(question, draft, client, screen)
            return
        said, provisional = "", ""
        if client.is_overheard:
            log.warning("the picture and the text travel in the clear to %s (--tls, --tls-ca)", config.edge)
        try:
            answer = await _reach(client, question, config, trace)
            screen.legend()
            async with aclosing(answer.events()) as events:
                async for event in events:
                    match event:
                        case Queued(place):
                            screen.queued(place)
                        case Provisional(provisional):
                            screen.provisional(provisional)
                        case Piece():
                            said += event.text
                            screen.piece(event)
        except (Unavailable, Overloaded) as refused:
            if config.fallback != "local" or (said and not provisional):
                raise
            screen.note(str(refused))
            if said:
                screen.note("the edge did not come back: the rest is the draft's own")
                screen.end_alone(said, provisional)
                return
            screen.note("the draft answers alone, less well than the target would")
            await _show_local(question, draft, client, screen)
            return
        assert answer.result is not None
        screen.end(answer.result, answer.result.text)


async def _reach(client: Client, question: Question, config: DeviceConfig, trace: Trace | None) -> Answer:
    log.info("draft %s, threads %d, window %d, pace %s", config.draft, client.threads, config.window, config.pace)
    try:
        info = await client.info()
        log.info("edge %s: %s (%s), %s", config.edge, info.model, info.family, info.limits)
        return await client.ask(question, trace)
    except Unavailable as gone:
        raise Unavailable(f"the edge {config.edge} cannot be reached: {str(gone).strip()}") from None


async def _show_local(question: Question, draft: Vlm, client: Client, screen: Screen) -> None:
    text = ""
    async with aclosing(local_pieces(question, draft, client.thread)) as pieces:
        async for piece in pieces:
            text += piece.text
            screen.piece(piece)
    screen.end(None, text)
