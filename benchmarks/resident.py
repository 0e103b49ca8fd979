"""How much memory this process holds, and how much of it is in use: what an allocator keeps for later is no leak."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _MallInfo(ctypes.Structure):
    """What glibc tells of its heap: `struct mallinfo2` of malloc.h."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


def resident_mib() -> float:
    """Resident memory in MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 2**20


def in_use_mib() -> float:
    """What malloc has given out and not got back, in MiB, without Python's own small blocks (glibc 2.33 or newer)."""
    told = ctypes.CDLL(None).mallinfo2
    told.restype = _MallInfo
    info = told()
    return float(info.uordblks + info.hblkhd) / 2**20


def python_blocks() -> int:
    """How many small blocks Python has given out and not got back."""
    return sys.getallocatedblocks()
