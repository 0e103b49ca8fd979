"""Measures the cells that are asked for and are not in the file yet, and appends them as they are done."""

from __future__ import annotations

import argparse
import logging
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.link import emulated_link
from benchmarks.machine import Cores, machine
from benchmarks.speed import models
from benchmarks.speed.models import Models
from benchmarks.table.cell import Cell, Clock, LinkShape, append_cells, read_cells
from benchmarks.table.links import LINKS, profile
from benchmarks.table.made import Made, append_made
from benchmarks.table.measure import Extent, measured
from benchmarks.table.methods import METHOD_NAMES, PRESET_NAMES, MethodName
from benchmarks.table.questions import SCENES, Asked, scenes, stored
from benchmarks.table.starting import started
from benchmarks.table.tally import Place, cell

FIRST = 1000  # scene; those below 1000 were for tuning
COMMAND = ("python", "-m", "benchmarks.table")
console = Console(width=160)
Making = Callable[[Path, Cores], Models]


def measure(words: Sequence[str]) -> int:
    """The command line. The exit code is 1 if an answer that had to be the target's own is not."""
    asked = _arguments(words)
    logging.basicConfig(level=logging.WARNING)
    setting, making = _setting(asked)
    data = SCENES if asked.data == SCENES else Path(asked.data).name
    had = read_cells(asked.out) if asked.out.exists() else []
    known = {each.key for each in had if each.clock is Clock.WALL}
    places = [Place(setting, LINKS[name], degree, data) for degree in asked.temperatures for name in asked.links]
    todo = [(place, missing) for place in places if (missing := _missing(place, asked.methods, known))]
    if not todo:
        console.print(f"every cell is in {asked.out} already")
        return 0
    wrong = 0
    for found in _cells(asked, making, todo, shlex.join([*COMMAND, *words])):
        append_cells(asked.out, [found])
        wrong += found.differing if found.exact.value == "ids" else 0
        console.print(said(found))
    return int(wrong > 0)


def said(found: Cell) -> str:
    """One line for a person."""
    differs = f", {found.differing} of {found.answers} answers differ from the target's" if found.differing else ""
    payload = f"{found.payload / 1024:.1f} KiB for 1024 tokens"
    return (
        f"{found.link.name}, T {found.temperature:g}, {found.method}: {found.ratio.said()} times the target alone, "
        f"{found.tokens_per_second:.1f} tokens/s, {payload} ({found.exact}{differs})"
    )


def _cells(
    asked: argparse.Namespace, making: Making, todo: Sequence[tuple[Place, Sequence[MethodName]]], command: str
) -> Iterator[Cell]:
    cores = Cores.chosen(asked.cores)
    needed = list(dict.fromkeys(method for _, methods in todo for method in methods))
    extent = Extent(asked.pairs, 60 * asked.minutes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        link = stack.enter_context(emulated_link(profile(todo[0][0].link)))
        pair = making(folder, cores)
        made = Made(command, machine(), f"{pair.said()}; {cores}; link: {link.kind}")
        console.print(f"{made.machine}\n{made.ends}")
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        append_made(asked.out, made)
        ends = stack.enter_context(started(pair, link, cores, folder, needed))
        for place, methods in todo:
            link.set(profile(place.link))
            blocks = measured(ends, methods, place.temperature, _questions(asked, folder), extent)
            for method in methods:
                found = cell(place, method, blocks)
                if found is None:
                    console.print(f"{place.link.name}, {method}: no answer was long enough for its speed to count")
                else:
                    yield found


def _missing(
    place: Place, methods: Sequence[MethodName], known: set[tuple[str, str, str, float, str]]
) -> list[MethodName]:
    shape: LinkShape = place.link
    return [m for m in methods if (place.setting, m, shape.name, place.temperature, place.data) not in known]


def _questions(asked: argparse.Namespace, folder: Path) -> Iterator[Asked]:
    if asked.data == SCENES:
        return scenes(folder, asked.first)
    return iter(stored(Path(asked.data)))


def _setting(asked: argparse.Namespace) -> tuple[str, Making]:
    """What models cost, in words, and how they are made."""
    match asked.setting:
        case "paper":
            return f"190 : 55 x {asked.scale:g}", lambda folder, cores: models.like_the_paper(
                folder, asked.scale, cores
            )
        case "small-draft":
            return "40 : 1", models.small_draft
        case _:
            return "packaged", models.packaged


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.table",
        description="Every system over every link, in pairs with the target alone. Verbs: report, convert.",
    )
    parser.add_argument("--methods", nargs="+", choices=METHOD_NAMES, default=list(PRESET_NAMES))
    parser.add_argument("--links", nargs="+", choices=list(LINKS), default=list(LINKS))
    parser.add_argument("--temperatures", nargs="+", type=float, default=[0.0, 0.7])
    parser.add_argument("--pairs", type=int, default=24, help="questions in a cell, each asked every way")
    parser.add_argument("--minutes", type=float, default=60.0, help="on a link at a temperature, at most about so long")
    parser.add_argument("--setting", choices=("paper", "small-draft", "packaged"), default="paper")
    parser.add_argument("--scale", type=float, default=0.25, help="of 190 ms and 55 ms, in the setting paper")
    parser.add_argument("--data", default=SCENES, help="scenes, or a folder or file of JSON lines: docs/benchmarks.md")
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first scene")
    parser.add_argument("--cores", help="edge,device: 0,1 if not said")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"), help="cells, as lines of JSON; resumed")
    return parser.parse_args(words)
