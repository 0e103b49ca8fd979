"""The paper's two tables with our columns beside the paper's, once for each cost of models, data and clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.table.cell import Cell
from benchmarks.table.methods import MethodName
from benchmarks.table.report.findings import Spot, saved
from benchmarks.table.report.markdown import dash, table
from benchmarks.table.report.paper import ABLATIONS, OTHERS, SYSTEMS, Printed

_LINK = "paper"
_MB = 10**6
_HEADS = ("speed", "accuracy %", "MB for 1024 tokens", "cost saved %")


def papers_tables(found: Sequence[Spot]) -> str:
    """Of the paper's link at temperature 0; nothing if nothing was measured there."""
    here = [spot for spot in found if spot.any.link.name == _LINK and spot.any.temperature == 0]
    if not here:
        return ""
    parts = [
        "## The paper's tables",
        "The paper: InternVL2.5-4B drafts for 78B on VQAv2, 50 answers of 1024 tokens each. Ours: what stands "
        "above the tables. Models and data differ, so compare how systems stand to each other, not the figures. "
        "`covspec-paper` is our reading of the paper's system. A row of a law is as long as the vocabulary, and ours "
        "is small: so are our MB of what sends rows. Cost saved, in our reading: of the target's tokens, how many "
        "fewer than one it compared for each token of the answer.",
    ]
    for spot in here:
        parts.append(f"### {spot.any.clock.value.capitalize()} clock, {spot.any.setting}, {spot.any.data}")
        parts.append(_systems(spot.cells))
        if any(method in spot.cells for method in ABLATIONS if method not in SYSTEMS):
            parts.append(_rows("ablation", ABLATIONS, spot.cells))
    return "\n\n".join(parts)


def _systems(cells: Mapping[MethodName, Cell]) -> str:
    return _rows("system", SYSTEMS, cells, OTHERS)


def _rows(
    head: str, printed: Mapping[MethodName, Printed], cells: Mapping[MethodName, Cell], more: Sequence[MethodName] = ()
) -> str:
    heads = [head, "ours", *(f"{name}, {whose}" for name in _HEADS for whose in ("paper", "ours"))]
    rows = [[line.called, f"`{method}`", *_row(line, cells.get(method))] for method, line in printed.items()]
    rows += [["", f"`{method}`", *_row(None, cells[method])] for method in more if method in cells]
    return table(heads, rows)


def _row(line: Printed | None, cell: Cell | None) -> list[str]:
    theirs = ["", "", "", ""] if line is None else _printed(line)
    ours = ["", "", "", ""] if cell is None else _measured(cell)
    return [each for pair in zip(theirs, ours, strict=True) for each in pair]


def _printed(line: Printed) -> list[str]:
    return [f"{line.speed:.2f}", f"{line.accuracy:.2f}", dash(line.megabytes, ".2f"), dash(line.saved, ".2f")]


def _measured(cell: Cell) -> list[str]:
    accuracy = None if cell.accuracy is None else 100 * cell.accuracy
    return [cell.ratio.said(), dash(accuracy, ".1f"), f"{cell.payload / _MB:.3f}", dash(saved(cell), ".1f")]
