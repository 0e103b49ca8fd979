"""A command on a pseudo-terminal, as a person has it: what it shows, and keys for it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic

import pyte
import pyte.modes

COLUMNS, ROWS = 80, 200
_SECONDS = 60.0
_TAKE_IT = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class PseudoTerminal:
    """`display`: the rows as they are now."""

    def __init__(self, command: Sequence[str], columns: int = COLUMNS) -> None:
        self._lead, follow = pty.openpty()
        fcntl.ioctl(follow, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_IT, *command],
            stdin=follow,
            stdout=follow,
            stderr=follow,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        )
        os.close(follow)
        self.raw = b""
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # how Linux says that nobody has the other side any more
            while data := os.read(self._lead, 65536):
                with self._news:
                    self.raw += data
                    self._stream.feed(data)
                    self._news.notify_all()

    @property
    def display(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def press(self, keys: str) -> None:
        os.write(self._lead, keys.encode())

    def until(self, words: str) -> None:
        """Wait until the screen shows `words`."""
        self._wait(lambda: words in "\n".join(self.display), words)

    def until_row(self, row: str) -> None:
        """Wait until the cursor is in a row that shows this and nothing else."""
        self._wait(lambda: self.display[self._screen.cursor.y] == row, row)

    def _wait(self, seen: Callable[[], bool], words: str) -> None:
        deadline = monotonic() + _SECONDS
        with self._news:
            while not seen():
                rows = "\n".join(row for row in self.display if row)
                assert self._news.wait(deadline - monotonic()), f"no {words!r} in\n{rows}"

    def end(self) -> int:
        code = self.process.wait(_SECONDS)
        self._reader.join()
        return code


@contextmanager
def on_a_terminal(command: Sequence[str], columns: int = COLUMNS) -> Iterator[PseudoTerminal]:
    terminal = PseudoTerminal(command, columns)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal._lead)
