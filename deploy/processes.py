"""Server processes that are ready when used and gone afterwards: for the demo, the benchmarks and the tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

START_SECONDS = 120  # a slow machine needs a while to import torch
STOP_SECONDS = 30
_LISTENING = re.compile(r"listening on \S+:(\d+)")
_READY = "ready:"


@dataclass(frozen=True)
class EdgeProcess:
    """An edge that is ready. `log`: what it has said on stderr so far."""

    process: subprocess.Popen[str]
    host: str
    port: int
    log: list[str]

    @property
    def address(self) -> str:
        """Where devices connect."""
        return f"{self.host}:{self.port}"


@contextmanager
def edge_process(
    *options: str, port: int = 0, host: str = "127.0.0.1", prefix: Sequence[str] = (), core: int | None = None
) -> Iterator[EdgeProcess]:
    """`PREFIX python -m edge_server OPTIONS`, on a free port unless told, on one `core` alone if told.

    A `host` that is not loopback needs the option `--insecure`. Raises SystemExit if the edge does not get ready.
    """
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "GRPC_VERBOSITY": "ERROR"}
    command = [*prefix, sys.executable, "-m", "edge_server", "--host", host, "--port", str(port), *options]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    log: list[str] = []
    settled = threading.Event()
    reader = threading.Thread(target=_follow, args=(process, log, settled), daemon=True)
    reader.start()
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})  # before it has threads: they inherit it
        settled.wait(START_SECONDS)
        if not any(_READY in line for line in log):
            raise SystemExit("the edge server did not start:\n" + "".join(log))
        listening = next(found for line in log if (found := _LISTENING.search(line)))
        yield EdgeProcess(process, host, int(listening.group(1)), log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        assert process.stderr is not None
        process.stderr.close()


def _follow(process: subprocess.Popen[str], log: list[str], settled: threading.Event) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        log.append(line)
        if _READY in line:
            settled.set()
    settled.set()  # it ended
