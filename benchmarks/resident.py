"""How much memory this process holds."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mib() -> float:
    """Resident memory in MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 2**20
