"""A file of the engine's steps: one JSON object a line, each whole on disk before the next step begins.

Guarantees: what cannot be opened is refused by name; a disk that fills up ends no answer.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_server.engine.events import Observer, Step
from shared.errors import InvalidValue

log = logging.getLogger(__name__)


@contextmanager
def event_file(path: Path | None) -> Iterator[Observer | None]:
    """An observer that writes to `path`, which is closed at the end; None without a path. Raises InvalidValue."""
    if path is None:
        yield None
        return
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as refused:
        raise InvalidValue("events", str(path), f"cannot be written: {refused.strerror}") from refused

    def write(step: Step) -> None:
        file.write(json.dumps(step.as_json()) + "\n")
        file.flush()

    try:
        yield write
    finally:
        try:
            file.close()
        except OSError as full:  # a rest that did not fit
            log.warning("the events in %s are not complete: %s", path, full.strerror)
