"""`python -m benchmarks.table report`: reads cells, prints the paper's tables, writes the page, values and plots."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.table.cell import Cell, read_cells
from benchmarks.table.made import Made, read_made
from benchmarks.table.report.acceptance import Kept, read_kept
from benchmarks.table.report.findings import spots
from benchmarks.table.report.page import Results, page
from benchmarks.table.report.plots import NoMatplotlib, draw
from benchmarks.table.report.tables import papers_tables
from benchmarks.table.report.values import as_csv, as_json
from shared.errors import InvalidValue

_PRUNING = "pruning.jsonl"


def report(words: Sequence[str]) -> int:
    """The command line; the exit code."""
    asked = _arguments(words)
    folder = asked.into / "results"
    files = asked.cells or [file for file in sorted(folder.glob("*.jsonl")) if file.name != _PRUNING]
    try:
        cells, made, kept = _read(files, asked.pruning or folder / _PRUNING)
    except (InvalidValue, OSError) as refused:
        return _refused(str(refused))
    if not cells:
        return _refused(f"no cells: name files of `python -m benchmarks.table --out`, or keep them in {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        plots = {shown: f"{folder.name}/{file.name}" for shown, file in draw(cells, kept, folder).items()}
    except NoMatplotlib as missing:
        print(missing, file=sys.stderr)  # noqa: T201 - a command line's own output
        plots = {}
    results = Results(cells, made, kept, plots)
    for file, text in (
        (asked.into / "results.md", page(results)),
        (folder / "results.json", as_json(results)),
        (folder / "results.csv", as_csv(results)),
    ):
        file.write_text(text, encoding="utf-8")
    print(papers_tables(spots(cells)) or "no cell of the paper's link at temperature 0: none of its tables")  # noqa: T201
    print(f"\n{len(cells)} cells: {asked.into / 'results.md'}, {folder}")  # noqa: T201 - a command line's own output
    return 0


def _read(files: Sequence[Path], pruning: Path) -> tuple[list[Cell], list[Made], list[Kept]]:
    cells = [cell for file in files for cell in read_cells(file)]
    made = list(dict.fromkeys(one for file in files for one in read_made(file)))
    return cells, made, read_kept(pruning) if pruning.exists() else []


def _refused(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201 - a command line's own output
    return 2


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.table report",
        description="The page results.md, and beside it in results/ all values (JSON, CSV) and plots, from cells.",
    )
    parser.add_argument("cells", nargs="*", type=Path, help="JSON lines of either clock; INTO/results/*.jsonl if none")
    parser.add_argument("--into", type=Path, default=Path("docs"), help="folder of the page (docs)")
    parser.add_argument(
        "--pruning", type=Path, help="of `benchmarks.pruning --out`; INTO/results/pruning.jsonl if there"
    )
    return parser.parse_args(words)
