"""Log lines of both ends, for a person or as JSON. A line about an answer has the name that both ends know it by.

Guarantees: nothing that a person asked, sent or was answered gets into a line by way of an exception: of one, a line
has its kind and where it came from, and what it says only at level debug. Facts travel as `extra=facts(...)`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

Format: TypeAlias = Literal["text", "json"]
Extra: TypeAlias = Mapping[str, Any]

REQUEST: ContextVar[str] = ContextVar("request", default="")  # whose task runs, at an edge


def facts(**values: object) -> Extra:
    """What a line tells beside its message; None is left out."""
    return {"facts": {name: value for name, value in values.items() if value is not None}}


class RequestLog(logging.LoggerAdapter[logging.Logger]):
    """A log whose lines are about one answer."""

    def __init__(self, log: logging.Logger, request: str) -> None:
        super().__init__(log, about(request))

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        """Adds the answer's name to what the line tells already."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


def about(request: str) -> Extra:
    """What makes one line about an answer."""
    return {"request": request}


def set_up(level: str, form: Format, start: str | None = None) -> None:
    """Have the process log to stderr from `level` on.

    `start`: of each line for a person at a terminal; None: time, level and name.
    """
    whole = level == "debug"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(whole=whole) if form == "json" else TextLines(start, whole=whole))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class TextLines(logging.Formatter):
    """Lines for a person. `start`: of each, for one at a terminal, who wants sentences; None: time, level and name."""

    def __init__(self, start: str | None = None, *, whole: bool = False) -> None:
        long = "%(asctime)s %(levelname)s %(name)s: %(message)s"
        super().__init__(long if start is None else f"{start}%(message)s")
        self._brief = start is not None
        self._whole = whole

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without its exception."""
        record.message = _message(record)
        line = super().formatMessage(record)
        if self._brief and record.levelno >= logging.WARNING:
            return line
        told = _request(record) | getattr(record, "facts", {})
        return " ".join([line, *(f"{name}={value}" for name, value in told.items())])

    def formatException(self, ei: Any) -> str:
        """Where it came from, and its kind."""
        return "\n".join([*(f"  {place}" for place in _places(ei[1])), f"  {_kind(ei[1], self._whole)}"])


class JsonLines(logging.Formatter):
    """Lines for a machine. Keys: time, level, logger, message, request, the facts, exception, trace."""

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__()
        self._whole = whole

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object on one line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        line |= _request(record) | getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"exception": _kind(record.exc_info[1], self._whole), "trace": _places(record.exc_info[1])}
        return json.dumps(line, default=str)


def _message(record: logging.LogRecord) -> str:
    said = record.getMessage()
    # The rest of what asyncio says is the repr of a task, and in it that of its exception.
    return said.partition("\n")[0] if record.name == "asyncio" else said


def _request(record: logging.LogRecord) -> dict[str, str]:
    request = getattr(record, "request", "") or REQUEST.get()
    return {"request": request} if request else {}


def _kind(error: BaseException, whole: bool) -> str:
    return f"{type(error).__name__}: {error}" if whole else type(error).__name__


def _places(error: BaseException) -> list[str]:
    return [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(error.__traceback__)]
