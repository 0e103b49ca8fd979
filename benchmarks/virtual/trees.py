"""What trees of proposals bring over branches that stay on the device: `python -m benchmarks.virtual.trees`.

The replay of `benchmarks.virtual`, its answers and its costs, over links whose round trip is long beside the step. All
with policy `marginal` and a window of 16, pace eager.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.virtual.__main__ import MESSAGE, traces
from benchmarks.virtual.cells import Cell, control, ratio
from benchmarks.virtual.device import Replayed, VirtualDevice
from benchmarks.virtual.edge import Manner
from benchmarks.virtual.traces import Trace
from device_client.draft.calibration import Calibration
from device_client.draft.names import TreeShape
from device_client.draft.shape import SHAPES
from device_client.draft.strategy import Strategy

CELLS = tuple(
    Cell(step, draft, round_trip, 100.0)
    for step, draft in ((190, 55), (190, 5), (40, 30), (40, 1))
    for round_trip in (20, 60, 200, 500)
)
RIDE = 0.1  # of a draft token, that one more in its forward takes


@dataclass(frozen=True)
class Kind:
    """How a device branches. `nodes`: 0, its branches stay with it. `most`: branches at a time."""

    name: str
    nodes: int = 0
    branching: bool = True
    shape: TreeShape = "best"
    most: int = 4


KINDS = (
    Kind("path", branching=False),
    Kind("branches"),
    Kind("tree of 24", 24),
    Kind("tree of 32", 32),
    Kind("of 32, 8 wide", 32, most=8),
    Kind("eagle2, 8 wide", 32, shape="eagle2", most=8),
    Kind("sage, 8 wide", 32, shape="sage", most=8),
)


def played(found: Sequence[Trace], cell: Cell, kind: Kind) -> list[Replayed]:
    """All answers one after the other; what is learned in one helps in the next."""
    manner, calibration = Manner(message=MESSAGE, nodes=kind.nodes), Calibration()
    strategy = Strategy(branching=kind.branching)

    def answers() -> Iterator[Replayed]:
        for trace in found:
            driven = replace(control(strategy, manner, calibration), shape=SHAPES[kind.shape], most_branches=kind.most)
            yield VirtualDevice(trace, cell.costs(RIDE), driven, manner).run()

    return list(answers())


def main() -> int:
    """The command line."""
    told = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.virtual.trees", description=told)
    parser.add_argument("--answers", type=int, default=36)
    parser.add_argument("--first", type=int, default=1000, help="scene; those below 1000 were for tuning")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--cells", type=int, nargs="+", help="numbers of cells, from 0; all if not said")
    parser.add_argument("--traces", type=Path, help="file of traces: read if it exists, else written")
    asked = parser.parse_args()
    console, found = Console(width=200), traces(asked)
    console.print(f"{machine()}\n{len(found)} answers, {sum(len(trace.ids) for trace in found)} tokens")
    table = Table(title="times as fast as the target alone, pace eager")
    for head in ("step : draft", "RTT ms", *(kind.name for kind in KINDS), "tree of 32 / branches", "beside", "stood"):
        table.add_column(head, justify="right")
    for number in asked.cells or range(len(CELLS)):
        cell = CELLS[number]
        outcomes = {kind.name: played(found, cell, kind) for kind in KINDS}
        ratios = {name: ratio(outcome) for name, outcome in outcomes.items()}
        tree = outcomes["tree of 32"]
        table.add_row(
            *cell.said()[:2],
            *(f"{ratios[kind.name]:.2f}" for kind in KINDS),
            f"{ratios['tree of 32'] / ratios['branches'] - 1:+.1%}",
            *(str(sum(count)) for count in zip(*((one.beside, one.stood) for one in tree), strict=True)),
        )
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
