"""Edges and a device as processes, some of which are killed or stopped on purpose and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.faults.held import open_files
from deploy.processes import EdgeProcess, edge_process
from deploy.proxies import free_port
from edge_server.service import TAKEN

_ROOT = Path(__file__).parents[2]
_TIME = len("2026-01-01 00:00:00,000")  # with which a line of the log begins
_TAKING_SECONDS = 60.0
TARGET, DRAFT = "toy:seed=1,step_seconds=0.02", "toy:seed=1,agreement=0.8"


class Pack:
    """Edges on ports of their own. Who is started again comes back on its port; `ready` waits for that."""

    def __init__(self, count: int, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        self._host, self._prefix = host, prefix
        self._ports = [free_port() for _ in range(count)]
        self._stacks = [ExitStack() for _ in range(count)]
        self._starter = ThreadPoolExecutor(count)
        self._edges: list[Future[EdgeProcess]] = [self._starter.submit(self._start, i) for i in range(count)]

    @property
    def addresses(self) -> list[str]:
        """Where they listen."""
        return [f"{self._host}:{port}" for port in self._ports]

    def ready(self) -> list[EdgeProcess]:
        """All of them, up."""
        return [edge.result() for edge in self._edges]

    def answering(self, request: str) -> int:
        """Which has taken the stream of the answer with this name, as its log says; the newest one, if it has several.

        Waits for that. Raises SystemExit if none takes it.
        """
        until = time.monotonic() + _TAKING_SECONDS
        while time.monotonic() < until:
            taken = [max(self._times_taken(number, request), default="") for number in range(len(self._edges))]
            if any(taken):
                return taken.index(max(taken))
            time.sleep(0.002)
        raise SystemExit(f"no edge has taken the stream of {request}")

    def _times_taken(self, number: int, request: str) -> list[str]:
        log = self._edges[number].result().log
        return [line[:_TIME] for line in list(log) if TAKEN in line and f"request={request}" in line]

    def kill(self, number: int) -> None:
        """SIGKILL."""
        process = self._edges[number].result().process
        process.kill()
        process.wait()

    def start_again(self, number: int) -> None:
        """A new one on the same port, as soon as it is up."""
        self._edges[number] = self._starter.submit(self._start, number)

    def stop(self, number: int) -> None:
        """SIGSTOP: it hangs, its connections stay open."""
        self._edges[number].result().process.send_signal(signal.SIGSTOP)

    def go_on(self, number: int) -> None:
        """SIGCONT."""
        self._edges[number].result().process.send_signal(signal.SIGCONT)

    def held(self) -> dict[str, int]:
        """Threads, connections and other files of all edges together."""
        pids = [edge.process.pid for edge in self.ready()]
        held = Counter(threads=sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids))
        for pid in pids:
            held.update(open_files(pid))
        return dict(held)

    def close(self) -> None:
        """End all."""
        self._starter.shutdown()
        for stack in self._stacks:
            stack.close()

    def _start(self, number: int) -> EdgeProcess:
        self._stacks[number].close()
        options = ("--model", TARGET, "--park-seconds", "20", "--insecure", "--log-level", "debug")
        edge = edge_process(*options, port=self._ports[number], host=self._host, prefix=self._prefix)
        return self._stacks[number].enter_context(edge)


@contextmanager
def pack(count: int, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> Iterator[Pack]:
    """Edges that are up, and gone afterwards."""
    edges = Pack(count, host, prefix)
    try:
        edges.ready()
        yield edges
    finally:
        edges.close()


class Asker:
    """A device in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, prompt: str, tokens: int) -> str:
        """Ask; `hear` says what comes. The answer's name in all logs."""
        self._tell({"prompt": prompt, "tokens": tokens})
        said = self.hear()
        if "asked" not in said:
            raise SystemExit(f"the device did not ask: {said}")
        name: str = said["asked"]
        return name

    def hear(self) -> dict[str, Any]:
        """The next word."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the device has died")
        said: dict[str, Any] = json.loads(line)
        return said

    def end(self) -> dict[str, Any]:
        """The answer, or why there is none."""
        while "begun" in (said := self.hear()):
            pass
        return said

    def count(self) -> dict[str, int]:
        """What the device holds."""
        self._tell({"count": True})
        return self.hear()

    def _tell(self, order: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()


@contextmanager
def asker(options: Mapping[str, Any], prefix: Sequence[str] = ()) -> Iterator[Asker]:
    """A device with these options of `DeviceConfig`."""
    command = [*prefix, sys.executable, "-m", "benchmarks.faults.asker", json.dumps(options), DRAFT]
    environment = os.environ | {"GRPC_VERBOSITY": "ERROR"}
    process = subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield Asker(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
