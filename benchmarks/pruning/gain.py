"""When pruning pays: tokens a second that are foretold for devices that read a prompt fast and slowly.

The protocol on a virtual clock (`benchmarks.speed.foretell`) at the paper's cost ratio, over the places where the draft
was seen to agree. While a device still reads, the target says its tokens alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.pruning.measure import Seen
from benchmarks.speed.foretell import Times, foretell

STEP, DRAFT, ROUND_TRIP = 0.190, 0.055, 0.020  # seconds: the paper's ratio, and WiFi
FIRST = 0.5  # seconds to the edge's first token: picture over the link, vision tower and prefill of the target
READING_MS = (0.1, 1.0, 2.0, 3.0, 5.0, 10.0)  # milliseconds that a token of the prompt takes the device
_STEPS = tuple(STEP for _ in range(17))  # memory-bound: a window costs what a token does


def times_as_fast(seen: Sequence[Seen], reading_ms: float) -> float:
    """Seconds alone for all answers, by seconds together, from the edge's first token on; 1 if no token follows it."""
    together = alone = 0.0
    for each in seen:
        late = reading_ms / 1e3 * each.entered - FIRST  # behind the edge's first token
        said = min(len(each.matches) - 1, max(0, int(late / STEP)))  # by the target alone, the first apart
        together, alone = together + said * STEP, alone + (len(each.matches) - 1) * STEP
        if len(each.matches) - said > 1:
            times = Times(DRAFT, _STEPS, ROUND_TRIP, max(0.0, -late))
            together += foretell(each.matches[said:], times).seconds
    return alone / together if alone > 0 else 1.0


def table(columns: dict[str, Sequence[Seen]]) -> str:
    """Markdown: a row for each speed of reading, a column for each way to prune."""
    lines = [f"| ms a prompt token | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for reading in READING_MS:
        told = " | ".join(f"{times_as_fast(seen, reading):.3f}" for seen in columns.values())
        lines.append(f"| {reading:g} | {told} |")
    return "\n".join(lines) + "\n"
