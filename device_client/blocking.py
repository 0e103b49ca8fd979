"""Python for ordinary code: the asyncio client behind a thread that runs its event loop.

Guarantees: as `api`. Ctrl-C while an answer is awaited ends the answer and leaves the client whole.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from os import PathLike
from types import TracebackType
from typing import Any, TypeVar

import uvloop

from device_client.answer import Piece, Result
from device_client.api import NO_WISH, AsyncClient, AsyncStream, Pictures
from device_client.chat import Chat
from device_client.config import DeviceConfig
from shared.speculation.request import SamplingWish
from shared.vlm.port import Vlm
from shared.wire.handshake import ServerInfo

Value = TypeVar("Value")


class _LoopThread:
    """An event loop on a thread of its own, from `start` to `stop`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="covspec client", daemon=True)
        self._started = threading.Event()

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """End. What still runs is cancelled."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def run(self, job: Coroutine[Any, Any, Value]) -> Value:
        """What `job` returns. If the wait is interrupted, the job is cancelled."""
        if self._loop is None:
            job.close()
            raise RuntimeError("use the client as `with` first")
        future = asyncio.run_coroutine_threadsafe(job, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _run(self) -> None:
        uvloop.run(self._live())

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._started.set()
        await self._stopping.wait()
        self._loop = None


async def _next(pieces: AsyncGenerator[Piece, None]) -> Piece | None:
    return await anext(pieces, None)


class Stream:
    """An answer on its way, for ordinary code: `with` it, iterate once; `result` is there after the last piece."""

    def __init__(self, stream: AsyncStream, thread: _LoopThread) -> None:
        self._stream = stream
        self._thread = thread

    def __enter__(self) -> Stream:
        self._thread.run(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.run(self._stream.__aexit__(kind, error, trace))

    def __iter__(self) -> Iterator[Piece]:
        """The text as it is confirmed, piece by piece. Raises CovspecError if the answer cannot go on."""
        pieces = aiter(self._stream)
        while (piece := self._thread.run(_next(pieces))) is not None:
            yield piece

    @property
    def result(self) -> Result:
        """The whole answer, after the last piece."""
        return self._stream.result

    @property
    def provisional(self) -> str:
        """What the device expects next; it may never come."""
        return self._stream.provisional


class Client:
    """`AsyncClient` for ordinary code: its event loop runs on a thread of its own. Use as `with`."""

    def __init__(
        self,
        config: DeviceConfig = DeviceConfig(),  # noqa: B008 - frozen
        draft: Vlm | None = None,
        *,
        trace: str | PathLike[str] | None = None,
    ) -> None:
        self._client = AsyncClient(config, draft, trace=trace)
        self._thread = _LoopThread()

    def __enter__(self) -> Client:
        self._thread.start()
        try:
            self._thread.run(self._client.__aenter__())
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._thread.run(self._client.__aexit__(kind, error, trace))
        finally:
            self._thread.stop()

    def info(self) -> ServerInfo:
        """What the edge serves. Raises Unavailable."""
        return self._thread.run(self._client.info())

    def ask(
        self,
        prompt: str | Chat,
        pictures: Pictures = (),
        *,
        sampling: SamplingWish = NO_WISH,
        log_probabilities: bool = False,
    ) -> Result:
        """The whole answer to `prompt`. Raises CovspecError."""
        asking = self._client.ask(prompt, pictures, sampling=sampling, log_probabilities=log_probabilities)
        return self._thread.run(asking)

    def stream(
        self,
        prompt: str | Chat,
        pictures: Pictures = (),
        *,
        sampling: SamplingWish = NO_WISH,
        log_probabilities: bool = False,
    ) -> Stream:
        """The answer as it comes. Raises ImageError at once, other errors from the stream."""
        stream = self._client.stream(prompt, pictures, sampling=sampling, log_probabilities=log_probabilities)
        return Stream(stream, self._thread)
