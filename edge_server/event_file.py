"""A file of the engine's steps: one JSON object a line, each whole on disk before the next step begins.

Guarantees: what cannot be opened is refused by name; a disk that fills up ends no answer and leaves no half line. It
tells when somebody asked, so it is its owner's alone.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_server.engine.events import Observer, Step
from shared.errors import InvalidValue
from shared.files import append_whole, open_to_append

log = logging.getLogger(__name__)


@contextmanager
def event_file(path: Path | None) -> Iterator[Observer | None]:
    """An observer that writes to `path`, which is closed at the end; None without a path. Raises InvalidValue."""
    if path is None:
        yield None
        return
    try:
        number = open_to_append(path)
    except (OSError, ValueError) as refused:
        reason = getattr(refused, "strerror", None) or "no file can have this name"
        raise InvalidValue("events", str(path), f"cannot be written: {reason}") from None
    lost = 0

    def write(step: Step) -> None:
        nonlocal lost
        try:
            append_whole(number, json.dumps(step.as_json()).encode() + b"\n")
        except OSError as full:
            if not lost:
                log.warning("the events in %s are not complete: %s", path, full.strerror)
            lost += 1

    try:
        yield write
    finally:
        os.close(number)
        if lost:
            log.warning("%d events did not fit into %s", lost, path)
