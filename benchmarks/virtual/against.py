"""Wall-clock cells of the table beside their replay: `python -m benchmarks.virtual against FILE`.

Each cell's own measured costs are replayed: draft, step by its number of tokens, and what a step costs beside its
forward. The replay asks the same questions with the same seeds, and knows the link by its round trip and rate.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.table import cell as table
from benchmarks.table.methods import METHODS
from benchmarks.table.tally import LEAST
from benchmarks.virtual.device import Costs
from benchmarks.virtual.edge import StepCurve
from benchmarks.virtual.judged import Way
from benchmarks.virtual.presets import WORD, played, recordings

NEAR = 0.15  # of the wall's ratio
EMBEDDED_IDS = 655  # of the embedded pair's vocabulary
console = Console(width=140)


def costs_of(cell: table.Cell, ride: float) -> Costs:
    """What was measured in a cell, in seconds."""
    measured, link = cell.costs, cell.link
    curve = StepCurve(tuple((step + measured.message_ms) / 1e3 for step in measured.steps_ms))
    rate = link.mbit * 1e6 / 8
    lead = measured.lead_ms / 1e3
    return Costs(measured.draft_ms / 1e3, curve, link.round_trip_ms / 1e3, rate, ride, link.loss, EMBEDDED_IDS, lead)


def replayed(cell: table.Cell, folder: Path, most: int, ride: float) -> float:
    """The ratio to the target alone that the replay gives for this cell. `most`: answers that are recorded."""
    settings = METHODS[cell.method]
    traces = recordings(folder, most, 1000, cell.temperature)(Way.of(settings, cell.temperature))[: cell.answers]
    answers = [each for each in played(settings, costs_of(cell, ride), WORD, traces) if each.tokens >= LEAST]
    alone = (cell.costs.step_alone_ms + cell.costs.message_ms) / 1e3
    return median((each.tokens - 1) * alone / each.seconds for each in answers)


def main(words: Sequence[str]) -> int:
    """The command line. The exit code is 1 if a replay is further than 15 % from the wall clock."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.virtual against", description=__doc__)
    parser.add_argument("cells", type=Path, help="file of `python -m benchmarks.table`, of its scenes")
    parser.add_argument(
        "--traces", type=Path, default=Path("traces"), help="folder: what is there is not recorded anew"
    )
    parser.add_argument("--ride", type=float, default=0.1, help="of a draft token, that one more in its forward takes")
    asked = parser.parse_args(words)
    torch.set_num_threads(1)
    asked.traces.mkdir(parents=True, exist_ok=True)
    shown, far = Table(), 0
    for head in ("setting", "link", "T", "method", "wall clock", "replay", "replay / wall"):
        shown.add_column(head)
    found = [cell for cell in table.read_cells(asked.cells) if cell.clock is table.Clock.WALL and cell.costs.steps_ms]
    most = max((cell.answers for cell in found), default=0)
    for cell in found:
        if cell.method == "edge-only":
            continue
        told = replayed(cell, asked.traces, most, asked.ride)
        off = told / cell.ratio.middle
        far += abs(off - 1) > NEAR
        place = (cell.setting, cell.link.name, f"{cell.temperature:g}", cell.method)
        shown.add_row(*place, cell.ratio.said(), f"{told:.2f}", f"{off:.3f}")
    console.print(shown)
    return int(far > 0)
