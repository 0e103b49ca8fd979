"""The three standard streams of a command, whatever the shell has made of them.

Guarantees: the numbers 0, 1 and 2 are never those of a socket or another file; what is said on a stderr that is closed,
full or read by nobody is lost, and nothing else is; an answer that stdout does not take is an error.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_FLAGS = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)  # of 0, 1, 2: a closed stdout goes on to refuse what is written


@contextmanager
def standard_streams() -> Iterator[None]:
    """Put something in the place of streams that are closed, and let stderr fail without a word, for this block."""
    for number, flags in enumerate(_FLAGS):
        _fill(number, flags)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for the rest of the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    before = sys.stderr
    sys.stderr = Unfailing(before)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before


class Unfailing(io.TextIOBase):
    """A stream that takes everything, whether or not `stream` still does."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose it."""
        try:
            self._stream.write(text)
        except OSError:
            _lose(self._stream)
        return len(text)

    def flush(self) -> None:
        """Flush, or lose what was written."""
        try:
            self._stream.flush()
        except OSError:
            _lose(self._stream)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Its number."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Always."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only in the base class, too
        """Of the stream below."""
        return self._stream.encoding


def lose_output(failed: OSError) -> str | None:
    """What to say of `failed`, which ended a command; stdout takes no more if it is to blame. None: nothing.

    A pipe whose reader has gone wants no sentence: it has read what it wanted.
    """
    if isinstance(failed, BrokenPipeError):
        _lose(sys.stdout)
        return None
    if failed.filename is not None or isinstance(failed, ConnectionError):
        return f"{failed.filename or 'the connection'}: {failed.strerror or failed}"
    _lose(sys.stdout)
    return f"the output cannot be written: {failed.strerror or failed}"


def _fill(number: int, flags: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, flags)
        os.dup2(opened, number)  # which its children inherit
        if opened != number:
            os.close(opened)


def _lose(stream: TextIO) -> None:
    """Send what is written to `stream` from now on, and what waits to be, nowhere: nothing is left to fail at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):  # it has no number
        return
    finally:
        os.close(nowhere)
