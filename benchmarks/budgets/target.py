"""What is attacked: an edge with the packaged target, and if it is asked for an endpoint before it, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from deploy.processes import edge_process
from deploy.proxies import free_port

_PAGE = os.sysconf("SC_PAGE_SIZE")
_START_SECONDS = 120.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Target:
    """Where an edge listens, and its endpoint if there is one. `pid`: of the process that is attacked."""

    edge: str
    endpoint: int | None
    pid: int


@contextmanager
def running(*, endpoint: bool) -> Iterator[Target]:
    """Both ends, ready. Raises SystemExit if one does not get ready."""
    with ExitStack() as stack:
        edge = stack.enter_context(edge_process("--threads", "1"))
        if not endpoint:
            yield Target(edge.address, None, edge.process.pid)
            return
        port = free_port()
        options = ["--edge", edge.address, "--port", str(port), "--threads", "1", "--allow-url", "--log-level", "error"]
        process = subprocess.Popen([sys.executable, "-m", "device_client", "serve", *options])
        stack.callback(process.wait)
        stack.callback(process.terminate)
        _await(f"http://127.0.0.1:{port}/health")
        yield Target(edge.address, port, process.pid)


def _await(url: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not get ready")


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 2**20


@dataclass
class Peak:
    """The most that a process has held while this was on. Use as `with`."""

    pid: int
    most: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.most = max(self.most, resident_mib(self.pid))
