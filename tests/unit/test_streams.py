"""A command ends with a sentence and a right exit code whatever the shell has made of its three streams."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

VERBS = """
import sys
from cyclopts import App
from shared.command_line import run

app = App(name="device-client", result_action="return_value")

@app.command
def says(*words: str):
    print("said", flush=True)
    print("noted", file=sys.stderr, flush=True)
    return 0

@app.command
def says_late(*words: str):
    print("said" * 100)
    return 0

@app.command
def reads(*words: str):
    print(len(sys.stdin.read()))
    return 0

@app.command
def opens(*words: str):
    import socket
    with socket.socket() as one, open("/dev/null") as other:
        print(min(one.fileno(), other.fileno()) > 2)
    return 0

@app.command
def notes(*words: str):
    for _ in range(3):
        print("noted", file=sys.stderr, flush=True)
    return 0

sys.exit(run(app, sys.argv[1:]))
"""


def shell(verb: str, streams: str) -> tuple[int, str, str]:
    """The exit code of a verb whose streams are as a shell makes them, and what is on those that are whole."""
    line = f"set -o pipefail; {sys.executable} -c '{VERBS.replace(chr(39), chr(34))}' {verb} {streams}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("verb", "streams", "code", "out", "err"),
    [
        ("says", "", 0, "said\n", "noted\n"),
        ("says", "<&-", 0, "said\n", "noted\n"),
        ("says", "2>&-", 0, "said\n", ""),
        ("says", "2>/dev/full", 0, "said\n", ""),
        ("says", ">&-", 1, "", "device-client: the output cannot be written: Bad file descriptor\n"),
        ("says", ">/dev/full", 1, "", "device-client: the output cannot be written: No space left on device\n"),
        ("says-late", ">/dev/full", 1, "", "device-client: the output cannot be written: No space left on device\n"),
        ("says", "<&- >&- 2>&-", 1, "", ""),
        ("notes", ">&-", 0, "", "noted\nnoted\nnoted\n"),
        ("notes", "<&- >&- 2>&-", 0, "", ""),
        ("notes", "2>/dev/full", 0, "", ""),
        ("reads", "<&-", 0, "0\n", ""),
        ("opens", "<&- 2>&-", 0, "True\n", ""),
        ("no-such-verb", "2>&-", 2, "", ""),
        ("says --no-such-option", "2>/dev/full", 2, "", ""),
    ],
)
def test_streams_that_are_closed_full_or_read_by_nobody(verb: str, streams: str, code: int, out: str, err: str) -> None:
    assert shell(verb, streams) == (code, out, err)


@pytest.mark.parametrize(("verb", "stream", "code"), [("says", 1, 1), ("says-late", 1, 1), ("notes", 2, 0)])
def test_a_reader_that_has_gone_is_no_reason_to_say_anything(verb: str, stream: int, code: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    others: dict[str, int] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    others["stdout" if stream == 1 else "stderr"] = writer
    command = [sys.executable, "-c", VERBS, verb]
    done = subprocess.run(command, **others, text=True, timeout=60, check=False)  # type: ignore[call-overload]
    os.close(writer)
    assert (done.returncode, done.stdout or "", done.stderr or "") == (code, "", "")
