"""The page of results, in Markdown, from cells and what made them. Pure; no date stands in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmarks.table.cell import Cell, Clock, Exact
from benchmarks.table.made import Made
from benchmarks.table.methods import MethodName
from benchmarks.table.report import findings
from benchmarks.table.report.acceptance import Kept, kept_table
from benchmarks.table.report.findings import FLOOR, MOST_PAYLOAD, OURS, WITHIN, Spot, spots
from benchmarks.table.report.markdown import count, dash, table
from benchmarks.table.report.tables import papers_tables

_VIRTUAL = "virtual clock"
_CLOCKS = {Clock.WALL: "wall clock", Clock.VIRTUAL: _VIRTUAL}
_KIB = 1024
_LOAD = re.compile(r"load ([\d.]+) at the start")
_QUIET = 1.0
_BUSY = (
    "The machine did other things too: its load was {} when the runs began, where a quiet one's is below 1. Both "
    "of a pair feel it, but not always alike: intervals are wide. What a step and a draft token really took "
    "stands in each row."
)
_SHARED = (
    " Both ends share one machine. So who drafts while the target steps is paired with a target alone beside which the "
    "device drafts to itself (`docs/benchmarks.md`): its ratio compares with those of the others, its tokens a second "
    "and first tokens do not."
)


@dataclass(frozen=True)
class Results:
    """Everything that a page tells. `plots`: files relative to the page, by what they show."""

    cells: Sequence[Cell]
    made: Sequence[Made]
    kept: Sequence[Kept] = ()
    plots: Mapping[str, str] | None = None


def page(results: Results) -> str:
    """The whole page."""
    found = spots(results.cells)
    parts = [
        "# Results\n\nWritten by `python -m benchmarks.table report`; what is written here by hand is lost.",
        _how_made(results.made),
        _shown(results.cells, found),
        papers_tables(found),
        *(_one_setting(list(group)) for _, group in groupby(found, _setting)),
        _clocks(results.cells),
        kept_table(results.kept),
        _plotted(results.plots or {}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def said(spot: Spot) -> str:
    """Where it is, for a person."""
    return f"{spot.any.link.name}, T {spot.any.temperature:g}, {_CLOCKS[spot.any.clock]}, {spot.any.setting}"


def _setting(spot: Spot) -> tuple[Clock, str, str]:
    return spot.any.clock, spot.any.setting, spot.any.data


def _how_made(made: Sequence[Made]) -> str:
    if not made:
        return "What made the cells was not kept with them."
    lines = [f"    {each.command}" for each in made]
    machines = dict.fromkeys(each.machine for each in made)
    ends = dict.fromkeys(each.ends for each in made)
    told = ["Made by", "", *lines, "", *(f"* {each}" for each in (*machines, *ends))]
    timed = [each.machine for each in made if _VIRTUAL not in each.ends]  # no other run's time is the machine's
    loads = [float(load) for machine in timed for load in _LOAD.findall(machine)]
    if loads and max(loads) > _QUIET:
        told += ["", _BUSY.format(f"{min(loads):g} to {max(loads):g}" if len(loads) > 1 else f"{loads[0]:g}")]
    return "\n".join(told)


def _shown(cells: Sequence[Cell], found: Sequence[Spot]) -> str:
    compared = [(spot, one) for spot in found if (one := findings.compared(spot)) is not None]
    worth = [(spot, one) for spot, one in compared if one.worth]
    behind = [(spot, one) for spot, one in worth if one.rank.value.startswith("behind")]
    floor = findings.below_the_floor(cells)
    exact = findings.owing(cells)
    wrong = findings.differing(cells)
    lines = [
        "## What it shows",
        "",
        f"* Answers that had to be the target's own, compared id for id: {sum(cell.answers for cell in exact)}; "
        f"that were not: {sum(cell.differing for cell in exact)}{_where(wrong)}.",
        f"* The floor, no interval of `{OURS}` wholly below {FLOOR}: missed in {len(floor)} of "
        f"{count(sum(cell.method == OURS for cell in cells), 'cell')}{_where(floor)}.",
        f"* Its first token later than alone, the whole interval above {1 / FLOOR:.2f} times: "
        f"{_where(findings.late(cells), '') or 'nowhere'}.",
        f"* `{OURS}` is behind the fastest other lossless method in {len(behind)} of "
        f"{count(len(worth), 'place')} where any of them beats the target alone.",
        f"* More than {MOST_PAYLOAD // _KIB} KiB of payload for 1024 tokens beside the picture: "
        f"{_where(findings.talkative(cells), '') or 'nowhere'}.",
        "",
    ]
    rows = [
        [said(spot), one.ours.ratio.said(), f"`{one.best.method}` {one.best.ratio.said()}", _rank(one)]
        for spot, one in compared
    ]
    return "\n".join([*lines, ""]) + table(
        [f"`{OURS}` beside", "times alone", "fastest other lossless", "so it is"], rows
    )


def _rank(one: findings.Comparison) -> str:
    return one.rank.value if one.worth else f"{one.rank.value}; no other beats the target alone"


def _where(cells: Sequence[Cell], before: str = ": ") -> str:
    if not cells:
        return ""
    return before + "; ".join(
        f"`{cell.method}`, {cell.link.name}, T {cell.temperature:g}, {_CLOCKS[cell.clock]}" for cell in cells
    )


def _one_setting(found: Sequence[Spot]) -> str:
    clock, setting, data = _setting(found[0])
    head = f"## {_CLOCKS[clock].capitalize()}, {setting}, {data}"
    parts = [head, _told(clock)]
    for temperature, group in groupby(found, lambda spot: spot.any.temperature):
        here = list(group)
        parts += [f"### Temperature {temperature:g}", _speeds(here), _details(here), _fronts(here)]
    parts.append(_bytes(found))
    return "\n\n".join(parts)


def _told(clock: Clock) -> str:
    return (
        "Times as fast as the target alone, with 95 % intervals; a star: lossy. Below, in each row: p50 and p99 "
        "lie between tokens; KiB are payload for 1024 tokens beside the picture (framed); *right*: share of "
        "answers that are; *same*: that are the target's own; *unverified*: share of tokens that nobody compared; "
        "*device*: seconds of processor time of the device for a token (and joules, where the machine tells)."
        + (_SHARED if clock is Clock.WALL else "")
    )


def _speeds(found: Sequence[Spot]) -> str:
    methods = list(dict.fromkeys(method for spot in found for method in spot.cells))
    links = [
        f"{spot.any.link.name} ({spot.any.link.round_trip_ms:g} ms, {spot.any.link.mbit:g} Mbit/s)" for spot in found
    ]
    rows = [[_name(method, found), *(_ratio(spot.cells.get(method)) for spot in found)] for method in methods]
    return table(["", *links], rows)


def _name(method: MethodName, found: Sequence[Spot]) -> str:
    lossy = any(spot.cells[method].exact in (Exact.LOSSY, Exact.DRAFT) for spot in found if method in spot.cells)
    return f"`{method}`{'*' if lossy else ''}"


def _ratio(cell: Cell | None) -> str:
    return "" if cell is None else cell.ratio.said()


_COLUMNS: Sequence[tuple[str, Callable[[Cell], str]]] = (
    ("link", lambda cell: cell.link.name),
    ("method", lambda cell: f"`{cell.method}`"),
    ("owes", lambda cell: cell.exact.value),
    ("answers", lambda cell: str(cell.answers)),
    ("step, draft ms", lambda cell: f"{cell.costs.step_alone_ms:.0f}, {cell.costs.draft_ms:.0f}"),
    ("tokens/s", lambda cell: f"{cell.tokens_per_second:.1f}"),
    ("first token ms", lambda cell: dash(cell.first_token_ms, ".0f")),
    ("of alone", lambda cell: "-" if cell.first_token_ratio is None else cell.first_token_ratio.said()),
    ("p50, p99 ms", lambda cell: f"{dash(cell.inter_token_p50_ms, '.0f')}, {dash(cell.inter_token_p99_ms, '.0f')}"),
    ("accepted/step", lambda cell: dash(cell.accepted_per_step, ".2f")),
    ("passes/token", lambda cell: dash(cell.passes_per_token, ".2f")),
    ("target tokens/token", lambda cell: dash(cell.target_tokens_per_token, ".2f")),
    ("KiB", lambda cell: f"{cell.payload / _KIB:.1f} ({cell.framed / _KIB:.1f})"),
    ("right", lambda cell: dash(cell.accuracy, ".2f")),
    ("same", lambda cell: dash(cell.agreement, ".2f")),
    ("unverified", lambda cell: dash(cell.unverified, ".2f")),
    ("device", lambda cell: dash(cell.device_seconds, ".4f") + _joules(cell)),
)


def _joules(cell: Cell) -> str:
    return "" if cell.device_joules is None else f" ({cell.device_joules:.2f} J)"


def _details(found: Sequence[Spot]) -> str:
    cells = [cell for spot in found for cell in spot.cells.values()]
    return table([name for name, _ in _COLUMNS], [[told(cell) for _, told in _COLUMNS] for cell in cells])


def _fronts(found: Sequence[Spot]) -> str:
    lines = ["On the front of accuracy, speed and bytes (no other is at least as good in all three):", ""]
    for spot in found:
        names = ", ".join(f"`{cell.method}`" for cell in findings.front(spot))
        lines.append(f"* {spot.any.link.name}: {names or 'accuracy is not known'}")
    return "\n".join(lines)


def _bytes(found: Sequence[Spot]) -> str:
    ours = [spot.cells[OURS] for spot in found if OURS in spot.cells]
    kinds = list(dict.fromkeys((each.direction, each.kind) for cell in ours for each in cell.sent))
    if not kinds:
        return ""
    rows = [[f"{cell.link.name}, T {cell.temperature:g}", *_sent(cell, kinds)] for cell in ours]
    heads = [f"{direction} {kind}" for direction, kind in kinds]
    return f"Bytes of payload of `{OURS}` for 1024 tokens, by kind:\n\n{table(['', *heads], rows)}"


def _sent(cell: Cell, kinds: Sequence[tuple[str, str]]) -> Iterator[str]:
    sent = {(each.direction, each.kind): each.payload for each in cell.sent}
    return (dash(sent.get(kind), ".0f") for kind in kinds)


def _clocks(cells: Sequence[Cell]) -> str:
    pairs = findings.both_clocks(cells)
    if not pairs:
        return ""
    rows = []
    for wall, virtual in pairs:
        off = virtual.tokens_per_second / wall.tokens_per_second - 1
        verdict = "yes" if abs(off) <= WITHIN else "no"
        place = f"`{wall.method}`, {wall.link.name}, T {wall.temperature:g}, {wall.setting}"
        rows.append([place, wall.ratio.said(), f"{virtual.ratio.middle:.2f}", f"{off:+.0%}", verdict])
    heads = ["cell", "wall clock", "virtual clock", "tokens/s, virtual to wall", f"within {WITHIN:.0%}"]
    return "## The two clocks\n\n" + table(heads, rows)


def _plotted(plots: Mapping[str, str]) -> str:
    if not plots:
        return ""
    return "\n\n".join(["## Plots", *(f"![{shown}]({file})" for shown, file in plots.items())])
