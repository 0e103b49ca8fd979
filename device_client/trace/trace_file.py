"""A trace becomes a file, whatever becomes of the answer.

Guarantees: a place that cannot be written to is refused before anything is asked; without a path there is no trace at
all. A file that fails later (a full disk) is told in the log, breaks no answer and leaves no part of itself. It is its
owner's alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_client.trace.timeline import document
from device_client.trace.trace import Trace
from shared.errors import InvalidValue
from shared.files import check_writable, write_private

log = logging.getLogger(__name__)

MOST_FILES = 1000  # of one process: a server that runs for weeks is not to fill a disk


@contextmanager
def traced(path: Path | None) -> Iterator[Trace | None]:
    """A trace for the answer of this block, written to `path` afterwards. Raises InvalidValue."""
    if path is None:
        yield None
        return
    check_writable("trace", path)
    trace = Trace()
    try:
        yield trace
    finally:
        trace.ends()
        if trace.told or trace.stages:  # else nothing was asked
            _write(path, trace)


def _write(path: Path, trace: Trace) -> None:
    try:
        write_private(path, json.dumps(document(trace), separators=(",", ":")).encode())
    except OSError as failed:
        log.warning("the trace %s cannot be written: %s", path, failed.strerror)
        return
    log.info("%s", _about(path, trace))


@dataclass(frozen=True)
class TraceFile:
    """Where the trace of one answer goes."""

    path: Path
    trace: Trace

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Write it when the block is over. Off the event loop: other answers go on meanwhile."""
        try:
            yield
        finally:
            self.trace.ends()
            await asyncio.to_thread(_write, self.path, self.trace)


class Traces:
    """A file for each answer of a process: of `out.json` they are `out-1.json`, `out-2.json` and so on."""

    def __init__(self, path: Path, most: int = MOST_FILES) -> None:
        """Raises InvalidValue for a folder that is not there or cannot be written to."""
        if not path.name or path.is_dir():
            raise InvalidValue(
                "trace", str(path), "must be the name of a file: of out.json come out-1.json, out-2.json"
            )
        check_writable("trace", path.with_stem(f"{path.stem}-1"))
        self._path = path
        self._most = most
        self._begun = 0

    def file(self, trace: Trace) -> TraceFile | None:
        """Where the next answer's trace goes; None if there are enough of them."""
        if not self.wanted:
            return None
        self._begun += 1
        if not self.wanted:
            log.warning("%d traces are enough: further answers get none", self._most)
        return TraceFile(self._path.with_stem(f"{self._path.stem}-{self._begun}"), trace)

    @property
    def wanted(self) -> bool:
        """Whether the next answer gets one."""
        return self._begun < self._most


def _about(path: Path, trace: Trace) -> str:
    """Where it is, and how far it can be trusted."""
    offsets = [edge.offset for edge in trace.edges if edge.offset.is_known]
    if not offsets:
        return f"timeline in {path}; the edge told nothing of itself"
    error = max(offset.error for offset in offsets)
    return f"timeline in {path}; the edge's spans stand within {1e3 * error:.2f} ms of where they were"
