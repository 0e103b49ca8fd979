"""What is shown of the cells: a table for people, values for programs, and which bars are missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.speed.cells import Cell
from benchmarks.speed.ends import RANDOM
from benchmarks.speed.pairs import Estimate

FLOOR = 0.97  # no cell whose interval lies wholly below
REACHED = 0.9  # of what was foretold
MOST_BYTES = 32 * 1024  # of payload for 1024 tokens

HEADS = (
    ("models", "left"), ("draft", "left"), ("RTT ms", "right"), ("pairs", "right"), ("times as fast", "right"),
    ("foretold", "right"), ("reached", "right"), ("tok/s", "right"), ("alone", "right"), ("agrees", "right"),
    ("accepted/step", "right"), ("passes/token", "right"), ("step ms", "right"), ("draft ms", "right"),
    ("first token, of alone", "right"), ("kB/1024 tok", "right"), ("framed", "right"),
    ("CPU edge/device/link", "right"),
)  # fmt: skip


def show(cells: Sequence[Cell], console: Console) -> None:
    """The table."""
    table = Table(show_lines=False)
    for head, side in HEADS:
        table.add_column(head, justify="right" if side == "right" else "left")
    for cell in cells:
        table.add_row(*_row(cell))
    console.print(table)
    for sentence in missed(cells):
        console.print(sentence)


def _row(cell: Cell) -> Iterator[str]:
    together, alone = cell.tokens_per_second
    payload, framed = cell.bytes_per_1024
    yield from (cell.models, cell.way, f"{cell.round_trip_ms:g}", str(len(cell.pairs)))
    yield from (cell.ratio.said(), f"{cell.foretold.middle:.2f}", cell.reached.said())
    yield from (f"{together:.1f}", f"{alone:.1f}", f"{cell.agreement:.3f}")
    yield from (f"{cell.figure('accepted_per_step'):.2f}", f"{cell.figure('passes_per_token'):.2f}")
    yield from (f"{1e3 * cell.step_alone:.1f}", f"{1e3 * cell.times.draft:.1f}", cell.first_token.said())
    yield from (f"{payload / 1e3:.1f}", f"{framed / 1e3:.1f}", "/".join(f"{share:.2f}" for share in cell.shares))


def missed(cells: Sequence[Cell]) -> Iterator[str]:
    """A sentence for each bar that a cell misses."""
    for cell in cells:
        name = f"{cell.models}, {cell.way}, {cell.round_trip_ms:g} ms"
        if cell.ratio.high < FLOOR:
            yield f"missed: {name}: slower than the target alone: {cell.ratio.said()}, all below {FLOOR}"
        if cell.way != RANDOM and cell.reached.middle < REACHED:
            yield f"missed: {name}: {cell.reached.said()} of what was foretold, less than {REACHED}"
        if cell.first_token.low > 1:
            yield f"missed: {name}: the first token takes {cell.first_token.said()} times as long as alone"
        if cell.way != RANDOM and cell.bytes_per_1024[0] > MOST_BYTES:
            yield f"missed: {name}: {cell.bytes_per_1024[0] / 1024:.1f} KiB for 1024 tokens"


def values(cell: Cell) -> dict[str, Any]:
    """Everything, pairs included."""
    payload, framed = cell.bytes_per_1024
    return {
        "models": cell.models,
        "draft": cell.way,
        "round_trip_ms": cell.round_trip_ms,
        **{name: _estimate(getattr(cell, name)) for name in ("ratio", "foretold", "reached", "first_token")},
        "tokens_per_second": dict(zip(("together", "alone"), cell.tokens_per_second, strict=True)),
        "agreement": cell.agreement,
        "times": asdict(cell.times),
        "step_alone": cell.step_alone,
        "payload_per_1024": payload,
        "framed_per_1024": framed,
        "cpu_shares": dict(zip(("edge", "device", "link"), cell.shares, strict=True)),
        "pairs": [
            {
                "tokens": len(pair.together.ids),
                "matches": "".join("+" if match else "-" for match in pair.matches),
                "together": dict(pair.together.figures),
                "alone": dict(pair.alone.figures),
            }
            for pair in cell.pairs
        ],
    }


def _estimate(estimate: Estimate) -> list[float]:
    return [estimate.middle, estimate.low, estimate.high]
