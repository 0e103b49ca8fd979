"""Reads a trace document as a viewer does."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

SLACK = 0.01  # microseconds, of rounding


def spans(document: dict[str, Any], process: int, thread: int) -> list[tuple[str, float, float]]:
    """Name, begin and end of a thread's spans, in the order of their begins, an outer one first."""
    found = [
        (event["name"], event["ts"], event["ts"] + event["dur"])
        for event in document["traceEvents"]
        if event["ph"] == "X" and (event["pid"], event["tid"]) == (process, thread)
    ]
    return sorted(found, key=lambda span: (span[1], -span[2]))


def spans_nest(document: dict[str, Any]) -> None:
    """Two spans of a thread are one inside the other, or apart; every thread has a name."""
    threads: dict[tuple[int, int], int] = defaultdict(int)
    for event in document["traceEvents"]:
        if event["ph"] == "X":
            threads[event["pid"], event["tid"]] += 1
    named = {(e["pid"], e["tid"]) for e in document["traceEvents"] if e["name"] == "thread_name"}
    assert threads.keys() <= named
    for process, thread in threads:
        open_until: list[float] = []
        for name, begin, end in spans(document, process, thread):
            while open_until and open_until[-1] <= begin + SLACK:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + SLACK, f"{name} at {begin} outlasts what it began in"
            open_until.append(end)
