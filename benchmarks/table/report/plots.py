"""Plots of cells as SVG files, by matplotlib, which the extra `bench` brings and which is loaded only here.

Guarantees: the same values make the same files; nothing is drawn of which there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.table.cell import Cell, Exact
from benchmarks.table.methods import PRESET_NAMES, MethodName
from benchmarks.table.report.acceptance import Kept
from benchmarks.table.report.findings import Spot, front, spots

MISSING = "no plots: matplotlib is not installed, pip install 'covspec[bench]' brings it"
_COLOURS: dict[MethodName, int] = dict(zip(PRESET_NAMES, range(len(PRESET_NAMES)), strict=True))
_LEAST_BYTES = 10.0  # for what sends nothing, on a logarithmic axis


class NoMatplotlib(Exception):
    """It is not installed; the message says how to get it."""


def draw(cells: Sequence[Cell], kept: Sequence[Kept], folder: Path) -> dict[str, Path]:
    """The files by what they show. Raises NoMatplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoMatplotlib(MISSING) from error
    found = spots(cells)
    places = [spot for spot in found if spot.any.link.name == "paper" and front(spot)] or [s for s in found if front(s)]
    wanted: list[tuple[str, str, int, Callable[[Any], None]]] = [
        ("speed over round trip", "speed", len(_lines(found)), partial(_speed, found)),
        ("accuracy, speed and bytes", "front", len(places), partial(_front, places)),
        ("acceptance over kept visual tokens", "acceptance", int(bool(kept)), partial(_acceptance, kept)),
    ]
    drawn = {}
    with matplotlib.rc_context({"svg.hashsalt": "covspec", "svg.fonttype": "none", "font.size": 9}):
        for shown, name, panels, onto in wanted:
            if panels:
                figure = Figure(figsize=(6.4 * min(2, panels), 4.2 * -(-panels // 2)), layout="constrained")
                axes = figure.subplots(-(-panels // 2), min(2, panels), squeeze=False).ravel()
                onto(axes)
                for spare in axes[panels:]:
                    spare.set_axis_off()
                drawn[shown] = folder / f"{name}.svg"
                figure.savefig(drawn[shown], metadata={"Date": None})
    return drawn


def _lines(found: Sequence[Spot]) -> list[list[Spot]]:
    """Places that differ by their link alone, by round trip."""
    groups = groupby(found, lambda spot: (spot.any.clock, spot.any.setting, spot.any.data, spot.any.temperature))
    return [sorted(group, key=lambda spot: spot.any.link.round_trip_ms) for _, group in groups]


def _speed(found: Sequence[Spot], panels: Sequence[Any]) -> None:
    for panel, line in zip(panels, _lines(found), strict=False):
        for method in PRESET_NAMES:
            points = [
                (spot.cells[method].link.round_trip_ms, spot.cells[method]) for spot in line if method in spot.cells
            ]
            if points:
                trips, cells = [trip for trip, _ in points], [cell for _, cell in points]
                middles = [cell.ratio.middle for cell in cells]
                below = [max(0.0, cell.ratio.middle - cell.ratio.low) for cell in cells]
                above = [max(0.0, cell.ratio.high - cell.ratio.middle) for cell in cells]
                style = "--" if cells[0].exact in (Exact.LOSSY, Exact.DRAFT) else "-"
                panel.errorbar(
                    *(trips, middles, (below, above)), fmt="o" + style, capsize=2, label=method, color=_colour(method)
                )
        first = line[0].any
        panel.set(xscale="log", xlabel="round trip (ms)", ylabel="times the target alone")
        ticks = sorted({spot.any.link.round_trip_ms for spot in line})
        panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.minorticks_off()
        panel.set_title(f"{first.clock.value} clock, {first.setting}, T {first.temperature:g} (dashed: lossy)")
        panel.legend(fontsize=7)


def _front(places: Sequence[Spot], panels: Sequence[Any]) -> None:
    """Of the presets; ablations and variants stand in the tables alone."""
    for panel, spot in zip(panels, places, strict=False):
        presets = Spot({method: cell for method, cell in spot.cells.items() if method in PRESET_NAMES})
        best = {cell.method for cell in front(presets)}
        judged = [cell for cell in presets.cells.values() if cell.accuracy is not None]
        sizes = [20 + 180 * (cell.accuracy or 0.0) ** 4 for cell in judged]
        for cell, size in zip(judged, sizes, strict=True):
            at = max(_LEAST_BYTES, cell.payload / 1024), cell.ratio.middle
            edge = "black" if cell.method in best else "none"
            panel.scatter(*at, s=size, color=_colour(cell.method), edgecolors=edge)
            panel.annotate(f"{cell.method} ({cell.accuracy:.2f})", at, (5, 5), textcoords="offset points", fontsize=7)
        one = spot.any
        panel.set(xscale="log", xlabel="KiB of payload for 1024 tokens", ylabel="times the target alone")
        panel.set_title(f"{one.clock.value} clock, {one.link.name}, T {one.temperature:g} (ringed: the front)")
        panel.margins(0.25)


def _acceptance(kept: Sequence[Kept], panels: Sequence[Any]) -> None:
    """A line for each pruner; parts of one (`covspec:rank`) stand in the table alone."""
    (panel,) = panels
    names = [name for name in dict.fromkeys(each.pruner for each in kept) if ":" not in name]
    for place, name in enumerate(names):
        points = sorted((each.share, each.acceptance) for each in kept if each.pruner == name)
        form = "o-" if place < 10 else "s--"  # there are ten colours
        panel.plot([x for x, _ in points], [y for _, y in points], form, label=name, color=f"C{place % 10}")
    panel.set(xlabel="share of visual tokens kept", ylabel="agreement with the target")
    panel.legend(fontsize=6, ncols=2)


def _colour(method: MethodName) -> str:
    return f"C{_COLOURS[method]}"
