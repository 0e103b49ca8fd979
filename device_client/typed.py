"""What comes by stdin as lines of text, whoever wrote it: a byte order mark is none of it, and no byte breaks it."""

from __future__ import annotations

import io
import sys
from typing import TextIO

_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


def stdin_text() -> TextIO:
    """stdin, read as UTF-8 or, if it begins so, as UTF-16. It waits for the first bytes."""
    stdin = sys.stdin
    if not isinstance(stdin, io.TextIOWrapper):
        return stdin
    begin = stdin.buffer.peek(3)[:3] if isinstance(stdin.buffer, io.BufferedReader) else b""
    encoding = next((name for mark, name in _MARKS if begin.startswith(mark)), "utf-8")
    stdin.reconfigure(encoding=encoding, errors="replace")
    return stdin
