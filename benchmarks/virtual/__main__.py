"""What policies and branches bring, replayed from traces of the embedded pair: `python -m benchmarks.virtual`.

Each cell is a cost of target step and draft token and a link; all policies draft the same answers there. A step over n
tokens costs 2 % more for each after the first (bound by memory), a word costs the edge 0.3 ms.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.virtual.against import main as against
from benchmarks.virtual.cells import Cell, Outcome, measured
from benchmarks.virtual.edge import Manner
from benchmarks.virtual.presets import main as presets
from benchmarks.virtual.sweep import main as sweep
from benchmarks.virtual.traces import Trace, kept, record
from shared.speculation.messages import Pace

CELLS = (
    *(Cell(190, 55, round_trip, 100.0) for round_trip in (5, 20, 60, 200)),
    *(Cell(40, 30, round_trip, 100.0) for round_trip in (5, 20, 60, 200)),
    *(Cell(40, 1, round_trip, 100.0) for round_trip in (5, 20, 60, 200)),
    Cell(190, 55, 20, 17.3),  # the paper's link
)
MESSAGE = 0.0003  # seconds of a step that a word costs the edge: `python -m benchmarks.step` measures it
console = Console(width=200)


def traces(asked: argparse.Namespace) -> list[Trace]:
    """Those of the file, if there is one; else recorded, and written to it if it was named."""
    if asked.traces is not None and asked.traces.exists():
        return kept(asked.traces)[: asked.answers]
    torch.set_num_threads(1)
    found = list(record(asked.answers, asked.temperature, asked.first))
    if asked.traces is not None:
        asked.traces.write_text("".join(trace.as_json() + "\n" for trace in found), encoding="utf-8")
    return found


def show(outcomes: Sequence[Outcome], pace: Pace) -> None:
    """Two tables: policies without branches, and branches."""
    names = list(outcomes[0].policies)
    table = Table(title=f"times as fast as the target alone, pace {pace.value}, no branches")
    for head in ("step : draft", "RTT ms", "Mbit/s", *names, "best fixed", "marginal, of it"):
        table.add_column(head, justify="right")
    for one in outcomes:
        ratios = [f"{one.policies[name]:.2f}" for name in names]
        best = f"{one.best_fixed:.2f} (window {one.best_window})"
        table.add_row(*one.cell.said(), *ratios, best, f"{one.policies['marginal'] / one.best_fixed:.3f}")
    means = [f"{mean(one.policies[name] for one in outcomes):.3f}" for name in names]
    table.add_row("mean", "", "", *means, f"{mean(one.best_fixed for one in outcomes):.3f}", "")
    console.print(table)
    table = Table(title="marginal with branches: what they bring")
    heads = ("step : draft", "RTT ms", "Mbit/s", "without", "with", "gain", "foreseen", "drafting", "passes/token")
    for head in (*heads, "target tokens/token", "up B/1024 tokens"):
        table.add_column(head, justify="right")
    for one in outcomes:
        table.add_row(
            *one.cell.said(),
            f"{one.policies['marginal']:.2f}",
            f"{one.branched:.2f}",
            f"{one.branched / one.policies['marginal'] - 1:+.1%}",
            f"{one.foreseen:.0%}",
            f"{one.drafting:.0%}",
            f"{one.passes:.2f}",
            f"{one.computed:.2f}",
            f"{one.up_bytes:.0f}",
        )
    console.print(table)


def main() -> int:
    """The command line."""
    verbs = {"presets": presets, "sweep": sweep, "against": against}
    if sys.argv[1:2] and sys.argv[1] in verbs:
        return verbs[sys.argv[1]](sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks.virtual", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, default=36)
    parser.add_argument("--first", type=int, default=1000, help="scene; those below 1000 were for tuning")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--pace", choices=[pace.value for pace in Pace], default=Pace.EAGER.value)
    parser.add_argument("--ride", type=float, default=0.1, help="of a draft token, that one more in its forward takes")
    parser.add_argument("--cells", type=int, nargs="+", help="numbers of cells, from 0; all if not said")
    parser.add_argument("--traces", type=Path, help="file of traces: read if it exists, else written")
    parser.add_argument("--out", type=Path, help="a file for everything, JSON lines")
    asked = parser.parse_args()
    found, pace = traces(asked), Pace(asked.pace)
    tokens = sum(len(trace.ids) for trace in found)
    agrees = sum(trace.agreement * len(trace.ids) for trace in found) / tokens
    console.print(f"{machine()}\n{len(found)} answers, {tokens} tokens, the draft agrees with {agrees:.3f} of them")
    outcomes = []
    for number in asked.cells or range(len(CELLS)):
        outcomes.append(measured(CELLS[number], found, Manner(pace=pace, message=MESSAGE), asked.ride))
        if asked.out is not None:
            with asked.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(outcomes[-1])) + "\n")
    show(outcomes, pace)
    return 0


if __name__ == "__main__":
    sys.exit(main())
