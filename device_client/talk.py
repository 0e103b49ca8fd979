"""`device-client chat`: turns on the terminal, pictures added as one goes.

Guarantees: Ctrl-C ends the answer and not the chat; what was said until then stays in it. A turn that is refused leaves
the chat as it was.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import uvloop

from device_client.ask import Sources, show_answer, warn_if_overheard
from device_client.chat import Chat, SeenPicture
from device_client.client import Client
from device_client.clipboard import clipboard_picture
from device_client.config import DeviceConfig
from device_client.file_names import names_in
from device_client.pictures import read_picture
from device_client.show import Screen
from device_client.start import loaded, log_to, look_at_edge
from device_client.trace.trace_file import Traces
from device_client.typed import stdin_text
from shared.demo.pair import HINT
from shared.errors import CovspecError, InvalidValue
from shared.speculation.request import SamplingWish
from shared.vlm.port import Vlm

HELP = """/image FILE   add a picture to your next question, or several: files, or URLs if --allow-url was said
/paste        add the picture in the clipboard
/new          begin anew, pictures included
/system TEXT  tell the model how to be
/help         this
/quit         leave, as Ctrl-D does
Ctrl-C stops an answer."""
_PROMPT = "> "


@dataclass(frozen=True)
class Habits:
    """What holds for the whole chat."""

    sampling: SamplingWish
    system: str = ""
    allow_url: bool = False
    verbose: bool = False
    trace: Path | None = None


def talk_on(pictures: Sources, habits: Habits, config: DeviceConfig, screen: Screen) -> int:
    """Chat until the person leaves; the exit code."""
    log_to(screen, config, verbose=habits.verbose)
    traces = None if habits.trace is None else Traces(habits.trace)
    first = pictures.read()
    if config.draft == "demo":
        screen.hint(HINT)
    look_at_edge(config)
    config, draft = loaded(config, screen)
    uvloop.run(_talk(first, habits, config, draft, screen, traces))
    return 0


async def _talk(
    first: list[SeenPicture], habits: Habits, config: DeviceConfig, draft: Vlm, screen: Screen, traces: Traces | None
) -> None:
    async with Client(config, draft, traces) as client, aclosing(_lines(screen)) as lines:
        warn_if_overheard(client, config)
        talk = Talk(client, habits, config, screen, first)
        async for line in lines:
            if not await talk.hear(line):
                return


class Talk:
    """The chat as it stands: `hear` takes what the person types."""

    def __init__(
        self, client: Client, habits: Habits, config: DeviceConfig, screen: Screen, pictures: list[SeenPicture]
    ) -> None:
        self._client = client
        self._habits = habits
        self._config = config
        self._screen = screen
        self._pictures = pictures  # of the next turn
        self.chat = self._begun()

    async def hear(self, line: str) -> bool:
        """Take a line: a command or a question. Whether the chat goes on. What is refused is said, and no more."""
        line = line.strip()
        try:
            if line.startswith("/"):
                return self._obey(line)
            if line:
                await self._ask(line)
        except CovspecError as refused:
            self._screen.note(str(refused))
        return True

    def _obey(self, line: str) -> bool:
        command, rest = [*line.split(maxsplit=1), ""][:2]
        match command:
            case "/image" if rest.strip():
                pictures = [read_picture(name, allow_url=self._habits.allow_url) for name in names_in(rest)]
                for picture in pictures:
                    self._add(picture)
            case "/paste":
                self._add(clipboard_picture())
            case "/new":
                self.chat, self._pictures = self._begun(), []
                self._screen.note("a new chat")
            case "/system" if rest.strip():
                self.chat = self.chat.with_system(rest.strip())
            case "/help":
                self._screen.note(HELP)
            case "/quit" | "/exit":
                return False
            case _:
                raise InvalidValue("command", line, "is none of /image FILE, /paste, /new, /system TEXT, /help, /quit")
        return True

    def _add(self, picture: SeenPicture) -> None:
        self._pictures.append(picture)
        width, height = picture.image.size
        self._screen.note(f"picture {len(self._pictures)} for your next question: {width} x {height}")

    def _begun(self) -> Chat:
        return Chat().with_system(self._habits.system) if self._habits.system else Chat()

    async def _ask(self, prompt: str) -> None:
        asked = self.chat.asked(prompt, self._pictures)
        question = asked.question(self._habits.sampling)
        said: list[str] = []
        answering = asyncio.create_task(show_answer(self._client, question, self._config, self._screen, said))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, answering.cancel)
        try:
            await answering
        except asyncio.CancelledError:
            if not answering.cancelled():  # not the answer is cancelled, but the chat
                answering.cancel()
                await asyncio.wait([answering])
                raise
            self._screen.stopped()
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            if said:  # a link that breaks for good leaves what was shown, too
                self.chat, self._pictures = asked.answered("".join(said)), []


async def _lines(screen: Screen) -> AsyncGenerator[str, None]:
    """What the person types, line by line: edited on a terminal, as it is elsewhere."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import InMemoryHistory
        from prompt_toolkit.patch_stdout import patch_stdout

        session: PromptSession[str] = PromptSession(history=InMemoryHistory())
        screen.note("/help tells the commands, Ctrl-D ends the chat")
        while True:
            try:
                with patch_stdout():
                    line = await session.prompt_async(_PROMPT)
            except KeyboardInterrupt:
                continue  # a line that was given up
            except EOFError:
                return
            yield line
    stdin = await asyncio.to_thread(stdin_text)
    while line := await asyncio.to_thread(stdin.readline):
        yield line
