"""A trace becomes a file, whatever becomes of the answer.

Guarantees: a file that cannot be written is refused before anything is asked; without a path there is no trace at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_client.trace.timeline import document
from device_client.trace.trace import Trace
from shared.errors import InvalidValue


@contextmanager
def traced(path: Path | None) -> Iterator[Trace | None]:
    """A trace for the answer of this block, written to `path` afterwards. Raises InvalidValue."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as refused:
        raise InvalidValue("trace", str(path), f"cannot be written: {refused.strerror}") from refused
    with file:
        trace = Trace()
        try:
            yield trace
        finally:
            trace.ends()
            json.dump(document(trace), file, separators=(",", ":"))
