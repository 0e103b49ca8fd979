"""Jobs on their way from the event loop to the engine's thread, which does them between two steps.

Guarantees: jobs are done in the order in which they were asked; each one's result or refusal reaches who asked; after
`end` nothing more is taken but the end itself.
"""

from __future__ import annotations

import asyncio
import logging
import queue
from collections.abc import Callable
from typing import TypeVar

from shared.errors import CovspecError, EngineFailure, Unavailable

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Inbox:
    """Asked on the loop, obeyed on the thread."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._ended = False

    async def ask(self, job: Callable[[], Result]) -> Result:
        """Have `job` done on the engine's thread. Raises what it refuses, Unavailable once the engine is stopped."""
        if self._ended:
            raise Unavailable("the edge is shutting down; try again, or another edge")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def settle(result: Result | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # None only if the job returns it

        def run() -> None:
            result, error = None, None
            try:
                result = job()
            except CovspecError as refused:
                error = refused
            except Exception as broken:
                log.exception("a job of the engine failed")
                error = EngineFailure(f"the engine failed: {type(broken).__name__}")
            loop.call_soon_threadsafe(settle, result, error)

        self._jobs.put(run)
        return await future

    def put(self, job: Callable[[], None]) -> None:
        """Have `job` done; nobody waits for it. From any thread."""
        self._jobs.put(job)

    def wake(self) -> None:
        """Have the thread look again whether a session may step. From any thread."""
        self._jobs.put(_nothing)

    def end(self, last: Callable[[], None]) -> None:
        """Take no more jobs after `last`. Idempotent; on the loop."""
        if not self._ended:
            self._ended = True
            self._jobs.put(last)

    def obey(self, seconds: float | None = 0.0) -> None:
        """Do what was asked; if nothing was, wait so long for it (None: as long as it takes). On the thread."""
        if seconds != 0:
            try:
                first = self._jobs.get(timeout=seconds)
            except queue.Empty:
                return
            first()
        while not self._jobs.empty():
            self._jobs.get()()


def _nothing() -> None:
    """A wake-up call."""
