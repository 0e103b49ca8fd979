"""The processes of a run: two edges, with proposals and without, and the device that asks, each end on its core.

Guarantees: all are ready when used and gone afterwards. The edge that looks at no proposals is the target alone: the
same engine over the same link.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.link import Link
from benchmarks.machine import Cores, cpu_seconds
from benchmarks.speed.asker import Way, as_argument
from benchmarks.speed.models import Models
from deploy.processes import EdgeProcess, edge_process

DRAFTING, RANDOM = "drafting", "random"
# The target alone. Two virtual cores may share a physical one, and all share their memory: a forward at one end then
# slows the other, as it would not on two machines. So the device computes here too, no more than it does together.
ALONE = {DRAFTING: "alone, the device drafts to itself", RANDOM: "alone, the device only looks"}


@dataclass(frozen=True)
class Ends:
    """What a cell needs. `events`: files to which the edges write their steps: with proposals, and without."""

    link: Link
    asker: subprocess.Popen[str]
    edges: tuple[EdgeProcess, EdgeProcess]
    events: tuple[Path, Path]

    def order(self, **values: Any) -> Any:
        """Have the device do something, and what it says of it. Raises RuntimeError if it has ended."""
        assert self.asker.stdin is not None
        assert self.asker.stdout is not None
        self.asker.stdin.write(json.dumps(values) + "\n")
        self.asker.stdin.flush()
        return said(self.asker)

    def cpu_seconds(self) -> tuple[float, float, float]:
        """Used so far by the edges, the device and the link."""
        edges = sum(cpu_seconds(edge.process.pid) for edge in self.edges)
        return edges, cpu_seconds(self.asker.pid), self.link.cpu_seconds()


@contextmanager
def ends(models: Models, link: Link, cores: Cores, folder: Path) -> Iterator[Ends]:
    """Everything started and warm enough to be asked."""
    files = (folder / "steps.jsonl", folder / "steps-alone.jsonl")
    with ExitStack() as stack:
        edges = [
            stack.enter_context(edge(models, link, cores, file, *options))
            for file, options in zip(files, ((), ("--no-proposals",)), strict=True)
        ]
        with_proposals, alone = (link.device_address(edge.port) for edge in edges)
        ways = {
            DRAFTING: Way(with_proposals, models.draft, models.draft_dtype, True),
            RANDOM: Way(with_proposals, models.random, models.draft_dtype, True),
            ALONE[DRAFTING]: Way(alone, models.draft, models.draft_dtype, False, shadow="draft"),
            ALONE[RANDOM]: Way(alone, models.random, models.draft_dtype, False, shadow="start"),
        }
        command = [sys.executable, "-m", "benchmarks.speed.asker", as_argument(ways)]
        asker = stack.enter_context(device_process(link.device(command), cores.devices))
        said(asker)
        yield Ends(link, asker, (edges[0], edges[1]), files)


@contextmanager
def edge(models: Models, link: Link, cores: Cores, events: Path, *options: str) -> Iterator[EdgeProcess]:
    """An edge at its end of the link, on its core, that writes its steps to `events`."""
    model = ("--model", models.target, "--dtype", models.target_dtype, "--threads", "1")
    words = (*model, "--events", str(events), "--insecure", "--reuse-mib", "0", *options)  # each prompt is read whole
    with edge_process(*words, host=link.edge_host, prefix=link.edge(), core=cores.edge) as started:
        yield started


@contextmanager
def device_process(command: list[str], core: int | None) -> Iterator[subprocess.Popen[str]]:
    """A device that asks what its lines of input tell, on one core if told, gone afterwards."""
    environment = os.environ | {"GRPC_VERBOSITY": "ERROR"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})  # before it has threads: they inherit it
        yield process
    finally:
        process.stdin.close()  # it ends when nobody orders any more
        process.stdout.close()
        process.wait()


def said(process: subprocess.Popen[str]) -> Any:
    """Its next line. Raises RuntimeError if it has ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the device of the benchmark has ended")
    return json.loads(line)
