"""What came of answers that were disturbed, and how it is told: a line for each fault.

Lost: the longest pause between two pieces of the answer, its beginning included, less what is usual without a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median, quantiles
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """One answer. `wrong`: why it is not complete and identical, else empty. `over`: it had ended before the fault.

    `lasted`: seconds of the fault itself.
    """

    wrong: str
    pause: float
    reconnects: int = 0
    over: bool = False
    lasted: float = 0.0


@dataclass
class Finding:
    """All answers of one fault. `usual`: the pause without a fault. `left`: what is there that was not before."""

    fault: str
    usual: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def hit(self) -> list[Outcome]:
        """Those that the fault met."""
        return [outcome for outcome in self.outcomes if not outcome.over]

    @property
    def good(self) -> bool:
        """Whether every answer is complete and identical, and nothing is left over."""
        return not any(outcome.wrong for outcome in self.outcomes) and not any(self.left.values())

    def row(self) -> str:
        """One row of the table."""
        lost = [max(0.0, outcome.pause - self.usual) for outcome in self.hit]
        right = sum(not outcome.wrong for outcome in self.outcomes)
        beyond = [time - outcome.lasted for time, outcome in zip(lost, self.hit, strict=True)]
        times = f"{_spread(lost)} | {_spread(beyond)}" if lost else "- | -"
        left = ", ".join(f"{count} {what}" for what, count in self.left.items() if count) or "nothing"
        return (
            f"| {self.fault} | {len(self.hit)} | {right} of {len(self.outcomes)} | {times} | "
            f"{sum(outcome.reconnects for outcome in self.outcomes)} | {left} |"
        )


HEADING = (
    "| fault | times | complete and identical | lost, s: median, p95, most | beyond the fault's own time | reconnects "
    "| left over |\n|---|---|---|---|---|---|---|"
)


def outcome_of(said: dict[str, Any], expected: Sequence[int], fault_at: float, lasted: float = 0.0) -> Outcome:
    """What an asker's answer comes to, of which `expected` should have come, disturbed at `fault_at` for so long."""
    times = [said["began"], *said["times"]]
    pause = max((later - earlier for earlier, later in pairwise(times)), default=0.0)
    if "error" in said:
        return Outcome(said["error"], pause)
    wrong = "" if tuple(said["ids"]) == tuple(expected) else f"said {len(said['ids'])} other tokens"
    return Outcome(wrong, pause, said["reconnects"], times[-1] <= fault_at, lasted)


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f}, {_p95(values):.2f}, {max(values):.2f}"


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
