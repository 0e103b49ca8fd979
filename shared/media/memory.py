"""Memory that was freed goes back to the system. glibc keeps what lies between blocks still in use, for ever."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

WORTH_IT = 64 * 2**20  # bytes taken at once: the walk over the heap takes milliseconds


@functools.cache
def _trim() -> Callable[[int], int]:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another libc, or none that can be asked
        return lambda _: 0
    return trim


def give_back() -> None:
    """Let the system have what this process has freed."""
    _trim()(0)
