"""Python: ask an edge from a program, with the draft model in this process.

For asyncio; `blocking` has the same for ordinary code. Guarantees: a result is the target's own answer; an answer that
is left early is ended at the edge. Whatever is refused is a `CovspecError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from PIL import Image

from device_client.answer import Answer, Piece, Result
from device_client.chat import Chat, SeenPicture
from device_client.client import Client as Asker
from device_client.config import DeviceConfig
from device_client.pictures import Readable, as_png, picture_in, read_picture, seen
from device_client.trace.trace_file import Traces
from shared.demo.pair import draft_folder
from shared.errors import ImageError, InvalidValue
from shared.excerpts import Shown
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.threads import resolve_threads
from shared.wire.handshake import ServerInfo

PictureLike: TypeAlias = str | PathLike[str] | bytes | bytearray | memoryview | Readable | Image.Image | SeenPicture
Pictures: TypeAlias = PictureLike | Sequence[PictureLike]  # one is as good as a list of one
NO_WISH = SamplingWish()


def load_draft(config: DeviceConfig) -> Vlm:
    """The draft model that `config` names. Raises ModelError."""
    return load(str(draft_folder()) if config.draft == "demo" else config.draft, config.dtype, config.device)


def chat_of(prompt: str | Chat, pictures: Pictures = ()) -> Chat:
    """`prompt` about `pictures` as a chat; a Chat as it is. Raises ImageError, InvalidValue."""
    if isinstance(pictures, str | PathLike | bytes | bytearray | memoryview | Readable | Image.Image | SeenPicture):
        pictures = [pictures]
    if isinstance(prompt, Chat):
        if pictures:
            raise InvalidValue("pictures", len(pictures), "a Chat has its own: give them to Chat.asked")
        return prompt
    return Chat().asked(prompt, [picture(one) for one in pictures])


def picture(source: PictureLike) -> SeenPicture:
    """A picture for `Chat.asked`: a path, encoded bytes, a file open in mode "rb", or a Pillow image.

    Raises ImageError; TypeError for what is none of these.
    """
    match source:
        case SeenPicture():
            return source
        case bytes() | bytearray() | memoryview():
            return seen(bytes(source), "picture")
        case Image.Image():
            return as_png(source)
        case str() | PathLike():
            return read_picture(fspath(source))
        case Readable():
            return _opened(source)
    raise TypeError(f"a picture is a path, bytes, a file or a Pillow image, not {type(source).__name__}")


def _opened(file: Readable) -> SeenPicture:
    try:
        return picture_in(file, "picture")
    except ImageError:
        raise
    except (OSError, ValueError):  # closed, or open for writing
        raise ImageError(
            "picture", Shown("an open file"), "cannot be read: is it closed, or open for writing?"
        ) from None


class AsyncStream:
    """An answer on its way: `async with` it, iterate once; `result` is there after the last piece."""

    def __init__(self, asker: Asker, chat: Chat, sampling: SamplingWish, *, log_probabilities: bool) -> None:
        self._asker = asker
        self._question = chat.question(sampling, log_probabilities=log_probabilities)
        self._answer: Answer | None = None
        self._pieces: AsyncGenerator[Piece, None] | None = None

    async def __aenter__(self) -> AsyncStream:
        self._answer = await self._asker.ask(self._question)
        self._pieces = self._answer.pieces()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaving it early ends the answer at the edge."""
        if self._pieces is not None:
            await self._pieces.aclose()

    def __aiter__(self) -> AsyncGenerator[Piece, None]:
        """The text as it is confirmed, piece by piece. Raises CovspecError if the answer cannot go on."""
        if self._pieces is None:
            raise RuntimeError("use the stream as `async with` first")
        return self._pieces

    @property
    def result(self) -> Result:
        """The whole answer, after the last piece."""
        if self._answer is None or self._answer.result is None:
            raise RuntimeError("the answer is not over: read the stream to its end")
        return self._answer.result

    @property
    def provisional(self) -> str:
        """What the device expects next; it may never come."""
        return "" if self._answer is None else self._answer.provisional


class AsyncClient:
    """Asks the edge of `config` with its draft model ahead of it. Use as `async with`; that loads the model.

    `draft`: a model that is loaded already, which then counts instead of `config.draft`. `trace`: a file name, of which
    each answer's timeline makes its own (`out.json`: `out-1.json`, ...); one that cannot be is an InvalidValue.
    """

    def __init__(
        self,
        config: DeviceConfig = DeviceConfig(),  # noqa: B008 - frozen
        draft: Vlm | None = None,
        *,
        trace: str | PathLike[str] | None = None,
    ) -> None:
        self.config = config
        self._traces = None if trace is None else Traces(Path(trace))
        self._draft = draft
        self._opened: Asker | None = None

    async def __aenter__(self) -> AsyncClient:
        if self._draft is None:
            self.config = replace(self.config, threads=resolve_threads(self.config.threads, self.config.draft))
            self._draft = await asyncio.to_thread(load_draft, self.config)
        self._opened = Asker(self.config, self._draft, self._traces)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, trace)

    async def info(self) -> ServerInfo:
        """What the edge serves. Raises Unavailable."""
        return await self._asker.info()

    async def ask(
        self,
        prompt: str | Chat,
        pictures: Pictures = (),
        *,
        sampling: SamplingWish = NO_WISH,
        log_probabilities: bool = False,
    ) -> Result:
        """The whole answer to `prompt`. Raises CovspecError."""
        async with self.stream(prompt, pictures, sampling=sampling, log_probabilities=log_probabilities) as answer:
            async for _ in answer:
                pass
        return answer.result

    def stream(
        self,
        prompt: str | Chat,
        pictures: Pictures = (),
        *,
        sampling: SamplingWish = NO_WISH,
        log_probabilities: bool = False,
    ) -> AsyncStream:
        """The answer as it comes. Raises ImageError at once, other errors from the stream."""
        return AsyncStream(self._asker, chat_of(prompt, pictures), sampling, log_probabilities=log_probabilities)

    @property
    def _asker(self) -> Asker:
        if self._opened is None:
            raise RuntimeError("use the client as `async with` first")
        return self._opened
