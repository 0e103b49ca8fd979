"""The machine that figures were seen on: which core runs what, and how much of it a process uses.

Linux tells; elsewhere nothing is pinned or counted.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

_LINUX = sys.platform == "linux"


@dataclass(frozen=True)
class Cores:
    """A core for the edge and one for the devices; None where the system does not let us choose."""

    edge: int | None
    devices: int | None

    @classmethod
    def chosen(cls, wish: str | None = None) -> Cores:
        """`wish` as "0,1": edge, devices; without one the first two that we may use, or the only one twice."""
        if not _LINUX:
            return cls(None, None)
        free = sorted(os.sched_getaffinity(0))
        edge, devices = (int(core) for core in wish.split(",")) if wish else (free[0], free[min(1, len(free) - 1)])
        return cls(edge, devices)

    def __str__(self) -> str:
        if self.edge is None:
            return "cores not pinned"
        if self.edge == self.devices:
            return f"edge and devices share core {self.edge}: the figures say little"
        return f"edge on core {self.edge}, devices on core {self.devices}"


def move_to(core: int | None) -> None:
    """Run this process, with all its threads and those it starts from now on, on `core`."""
    if _LINUX and core is not None:
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), {core})


def cpu_seconds(pid: int) -> float:
    """Seconds that a process has computed, in user and kernel mode; 0 where the system does not tell."""
    if not _LINUX:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """What it is, what torch makes of it, and what else it does: a figure of a busy machine says little."""
    load = f"load {os.getloadavg()[0]:.2f} at the start" if sys.platform != "win32" else "load unknown"
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs ({torch.backends.cpu.get_cpu_capability()}), "
        f"Python {platform.python_version()}, torch {torch.__version__}, {load}"
    )
