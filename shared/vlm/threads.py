"""The number of CPU threads that a model runs on: chosen once, at the start of a process, and held from then on.

Guarantees: work inside one operation is split over at most that many threads, whatever else the machine does; nothing
runs two operations at once. Torch may keep the number for each thread apart, so the thread that runs a model pins it.
"""

from __future__ import annotations

import torch


def resolve_threads(threads: int, model: str) -> int:
    """`threads`, or if that is 0: one for the tiny `demo`, which more make slower, else torch's choice here and now."""
    return threads or (1 if model == "demo" else torch.get_num_threads())


def pin_process(threads: int) -> None:
    """Pin for threads to come, and let no two operations run at once. Before any model runs; once in a process."""
    torch.set_num_interop_threads(1)
    pin_thread(threads)


def pin_thread(threads: int) -> None:
    """Pin for the thread that calls; also turns off MKL's own choice of fewer threads."""
    torch.set_num_threads(threads)


def threads_here() -> int:
    """On how many threads an operation of the calling thread runs."""
    return torch.get_num_threads()
