"""How fast device and edge answer together, beside the target alone: `python -m benchmarks.speed`.

Device and edge run on a core each, over an emulated link. Each question is asked both ways, in pairs; the models are
the packaged pair, expanded until a target step and a draft token cost what the setting says.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from benchmarks.link import emulated_link
from benchmarks.link.profile import round_trip
from benchmarks.machine import Cores, machine
from benchmarks.speed import models
from benchmarks.speed.cells import Cell, measure
from benchmarks.speed.ends import DRAFTING, RANDOM, ends
from benchmarks.speed.models import Models
from benchmarks.speed.questions import questions
from benchmarks.speed.report import show, values

ROUND_TRIPS = (5.0, 20.0, 60.0, 200.0)  # ms
console = Console(width=220)


def settings(asked: argparse.Namespace, cores: Cores) -> dict[str, Callable[[Path], Models]]:
    """How each setting makes its models in a folder."""
    return {
        "paper": lambda folder: models.like_the_paper(folder, asked.scale, cores),
        "small-draft": lambda folder: models.small_draft(folder, cores),
        "compute-bound": lambda folder: models.compute_bound(folder, cores),
        "packaged": lambda folder: models.packaged(folder, cores),
    }


def cells(asked: argparse.Namespace) -> Iterator[Cell]:
    """Every cell that was asked for, as it is measured."""
    cores = Cores.chosen(asked.cores)
    with emulated_link(round_trip(asked.rtt[0])) as link:
        console.print(f"{machine()}\nlink: {link.kind}; {cores}")
        for setting in asked.setting:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch)
                made = settings(asked, cores)[setting](folder)
                console.print(made.said())
                pictures = folder / "pictures"
                pictures.mkdir()
                stream = questions(pictures)
                with ends(made, link, cores, folder) as started:
                    for way in asked.draft:
                        for milliseconds in asked.rtt:
                            cell = measure(started, way, milliseconds, stream, asked.pairs, made.name)
                            console.print(
                                f"{made.name}, {way}, RTT {milliseconds:g} ms: {cell.ratio.said()} times as fast "
                                f"as the target alone (foretold {cell.foretold.middle:.2f})"
                            )
                            yield cell


def main() -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=(__doc__ or "").splitlines()[0])
    names = ("paper", "small-draft", "compute-bound", "packaged")
    parser.add_argument("--setting", nargs="+", choices=names, default=list(names[:3]))
    parser.add_argument("--draft", nargs="+", choices=(DRAFTING, RANDOM), default=[DRAFTING, RANDOM])
    parser.add_argument("--rtt", nargs="+", type=float, default=list(ROUND_TRIPS), help="ms")
    parser.add_argument("--pairs", type=int, default=20, help="in a cell")
    parser.add_argument("--scale", type=float, default=0.25, help="of 190 ms and 55 ms, in the setting paper")
    parser.add_argument("--cores", help="edge,device: 0,1 if not said")
    parser.add_argument("--out", type=Path, help="a file for everything, JSON lines")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    found = []
    for cell in cells(asked):
        found.append(cell)
        if asked.out is not None:
            with asked.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(values(cell)) + "\n")
    show(found, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
