"""`device-client ask`: one question about pictures, answered on the terminal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from device_client.answer import Answer, Piece, Question
from device_client.chat import Chat, SeenPicture
from device_client.client import Client
from device_client.clipboard import clipboard_picture
from device_client.config import DeviceConfig, PictureOptions
from device_client.file_names import local_name
from device_client.local import local_pieces
from device_client.pictures import read_picture
from device_client.provisional import Provisional
from device_client.show import FRAME_SECONDS, Screen
from device_client.start import loaded, log_to, look_at_edge
from device_client.trace.trace import Trace
from device_client.trace.trace_file import traced
from shared.demo.pair import HINT, QUESTIONS
from shared.errors import ModelMismatch, Overloaded, Unavailable
from shared.speculation.prints import short
from shared.speculation.request import SamplingWish
from shared.vlm.port import Vlm
from shared.wire.handshake import Queued

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """Where the pictures come from: files, `-`, URLs with leave; and the clipboard."""

    names: tuple[str, ...]
    options: PictureOptions

    def read(self) -> list[SeenPicture]:
        """All of them. Raises ImageError, Unsupported."""
        pictures = [read_picture(local_name(name), allow_url=self.options.allow_url) for name in self.names]
        return [*pictures, clipboard_picture()] if self.options.clipboard else pictures


@dataclass(frozen=True)
class Wanted:
    """What the command line asked for."""

    pictures: Sources
    prompt: str
    sampling: SamplingWish
    verbose: bool = False
    trace: Path | None = None


def answer_on(wanted: Wanted, config: DeviceConfig, screen: Screen) -> int:
    """Ask and show the answer; the exit code."""
    log_to(screen, config, verbose=wanted.verbose)
    question = Chat().asked(wanted.prompt, wanted.pictures.read()).question(wanted.sampling)
    if config.draft == "demo" and (wanted.prompt not in QUESTIONS or not question.encoded):
        screen.hint(HINT)
    with traced(wanted.trace) as trace:
        look_at_edge(config)
        config, draft = loaded(config, screen)
        uvloop.run(_ask(question, config, draft, screen, trace))
    return 0


async def _ask(question: Question, config: DeviceConfig, draft: Vlm, screen: Screen, trace: Trace | None) -> None:
    async with Client(config, draft) as client:
        warn_if_overheard(client, config)
        await show_answer(client, question, config, screen, [], trace)


def warn_if_overheard(client: Client, config: DeviceConfig) -> None:
    """Say that others may read along, if they may."""
    if client.is_overheard:
        log.warning("the picture and the text travel in the clear to %s (--tls, --tls-ca)", config.edge)


async def show_answer(
    client: Client,
    question: Question,
    config: DeviceConfig,
    screen: Screen,
    said: list[str],
    trace: Trace | None = None,
) -> None:
    """Ask, and show what comes; `said` gets its text piece by piece. Raises what ends the answer early."""
    provisional = ""
    if config.alone:
        await _show_local(question, client, screen, said)
        return
    try:
        answer = await _reach(client, question, config, trace)
        screen.legend()
        async with aclosing(answer.events()) as events, _followed(answer, screen):
            async for event in events:
                match event:
                    case Queued(place):
                        screen.queued(place)
                    case Provisional(provisional):
                        screen.provisional(provisional)
                        screen.follow(answer)
                    case Piece():
                        said.append(event.text)
                        screen.piece(event)
                        screen.follow(answer)
    except (Unavailable, Overloaded, ModelMismatch) as refused:
        unfit = isinstance(refused, ModelMismatch) and not said  # two models that are no pair: nobody is away
        if config.fallback != "local" or unfit or (said and not provisional):
            screen.broken(begun=bool(said))
            raise
        screen.note(str(refused))
        if said:
            screen.note("the edge did not come back: the rest is the draft's own")
            screen.end_alone("".join(said), provisional, answer.figures().loss)
            return
        screen.note("the draft answers alone, less well than the target would")
        await _show_local(question, client, screen, said)
        return
    assert answer.result is not None
    screen.end(answer.result, answer.result.text)


@asynccontextmanager
async def _followed(answer: Answer, screen: Screen) -> AsyncIterator[None]:
    """Draw what is provisional while the answer grows, where there is a terminal to draw on."""
    if not screen.moves:
        yield
        return

    async def follow() -> None:
        while True:
            screen.follow(answer)
            await asyncio.sleep(FRAME_SECONDS)

    following = asyncio.create_task(follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait([following])


async def _reach(client: Client, question: Question, config: DeviceConfig, trace: Trace | None) -> Answer:
    log.info("draft %s, threads %d, window %d, pace %s", config.draft, client.threads, config.window, config.pace)
    info = await client.info()
    mark = short(info.fingerprint)
    log.info("edge %s: %s (%s), fingerprint %s, %s", config.edge, info.model, info.family, mark, info.limits)
    return await client.ask(question, trace)


async def _show_local(question: Question, client: Client, screen: Screen, said: list[str]) -> None:
    async with aclosing(local_pieces(question, client.vlm, client.thread)) as pieces:
        async for piece in pieces:
            said.append(piece.text)
            screen.piece(piece)
    screen.end(None, "".join(said))
