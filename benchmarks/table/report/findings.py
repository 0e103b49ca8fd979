"""What cells show, in plain values: who is faster, the floor, exactness, bytes, and the front of all three. Pure.

Guarantees: nothing is left out because it is unwelcome; a comparison says whether its intervals lie apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.table.cell import Cell, Clock, Exact
from benchmarks.table.links import LINKS
from benchmarks.table.methods import METHOD_NAMES, VARIANT_NAMES, MethodName

FLOOR = 0.97  # no interval of ours may lie wholly below it
MOST_PAYLOAD = 32 * 1024  # bytes for 1024 tokens, beside the picture
WITHIN = 0.15  # that the two clocks may differ by
OURS: MethodName = "covspec"
_ALONE: MethodName = "edge-only"
_LOSSLESS = (Exact.IDS, Exact.LAW)


@dataclass(frozen=True)
class Spot:
    """A clock, a cost of models, data, a temperature and a link, and the cell of each method there."""

    cells: Mapping[MethodName, Cell]

    @property
    def any(self) -> Cell:
        """One of them, for what they have in common."""
        return next(iter(self.cells.values()))

    @property
    def lossless(self) -> list[Cell]:
        """Those that keep the target's law, the target alone and all of ours left out."""
        left_out = (_ALONE, OURS, *VARIANT_NAMES)
        return [each for each in self.cells.values() if each.exact in _LOSSLESS and each.method not in left_out]


class Rank(StrEnum):
    """Ours beside the fastest other lossless method. CLOSE: the intervals overlap."""

    AHEAD = "ahead"
    CLOSE_AHEAD = "ahead, intervals overlap"
    CLOSE_BEHIND = "behind, intervals overlap"
    BEHIND = "behind"


@dataclass(frozen=True)
class Comparison:
    """`worth`: whether any other lossless method is faster than the target alone here."""

    ours: Cell
    best: Cell
    rank: Rank
    worth: bool


def spots(cells: Iterable[Cell]) -> list[Spot]:
    """By clock, cost, data, temperature and link, methods in their usual order."""
    found: dict[tuple[Clock, str, str, float, str], dict[MethodName, Cell]] = {}
    for cell in sorted(cells, key=_order):
        found.setdefault(_common(cell), {})[cell.method] = cell
    return [Spot(methods) for methods in found.values()]


def _order(cell: Cell) -> tuple[object, ...]:
    names = list(LINKS)
    link = names.index(cell.link.name) if cell.link.name in names else len(names)
    clock, setting, data, temperature, name = _common(cell)
    return (list(Clock).index(clock), setting, data, temperature, link, name, METHOD_NAMES.index(cell.method))


def _common(cell: Cell) -> tuple[Clock, str, str, float, str]:
    return cell.clock, cell.setting, cell.data, cell.temperature, cell.link.name


def compared(spot: Spot) -> Comparison | None:
    """Ours beside the fastest other lossless method; None if one of them is not there."""
    ours = spot.cells.get(OURS)
    if ours is None or not spot.lossless:
        return None
    best = max(spot.lossless, key=lambda cell: cell.ratio.middle)
    if ours.ratio.middle >= best.ratio.middle:
        rank = Rank.AHEAD if ours.ratio.low > best.ratio.high else Rank.CLOSE_AHEAD
    else:
        rank = Rank.BEHIND if ours.ratio.high < best.ratio.low else Rank.CLOSE_BEHIND
    return Comparison(ours, best, rank, best.ratio.middle > 1)


def below_the_floor(cells: Iterable[Cell]) -> list[Cell]:
    """Cells of ours whose interval lies wholly below it."""
    return [cell for cell in cells if cell.method == OURS and cell.ratio.high < FLOOR]


def late(cells: Iterable[Cell]) -> list[Cell]:
    """Cells of ours whose first token comes later than alone by the same measure."""
    ours = [cell for cell in cells if cell.method == OURS and cell.first_token_ratio is not None]
    return [cell for cell in ours if cell.first_token_ratio and cell.first_token_ratio.low > 1 / FLOOR]


def owing(cells: Iterable[Cell]) -> list[Cell]:
    """Cells whose answers had to be the target's own, and were compared; the target alone's are, and replayed ones."""
    wall = [cell for cell in cells if cell.clock is Clock.WALL]
    return [cell for cell in wall if cell.exact is Exact.IDS and cell.method != _ALONE]


def differing(cells: Iterable[Cell]) -> list[Cell]:
    """Cells whose answers had to be the target's own, and one is not."""
    return [cell for cell in owing(cells) if cell.differing]


def talkative(cells: Iterable[Cell]) -> list[Cell]:
    """Cells of ours that send more payload than is wanted."""
    return [cell for cell in cells if cell.method == OURS and cell.payload > MOST_PAYLOAD]


def front(spot: Spot) -> list[Cell]:
    """Those than which no other is at least as good in accuracy, speed and bytes, and better in one."""
    judged = [cell for cell in spot.cells.values() if cell.accuracy is not None]
    worth = [(cell.accuracy or 0.0, cell.ratio.middle, -cell.payload) for cell in judged]
    return [cell for cell, own in zip(judged, worth, strict=True) if not any(_better(each, own) for each in worth)]


def _better(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def saved(cell: Cell) -> float | None:
    """Percent of the target's tokens that are not paid for; None without an edge.

    Our reading of the paper's cost: what was compared, for each token of the answer. What nobody compared is not paid
    for there, though it goes through the target too.
    """
    if cell.target_tokens_per_token is None:
        return None
    return 100 * (1 - cell.target_tokens_per_token + (cell.unverified or 0.0))


def both_clocks(cells: Iterable[Cell]) -> list[tuple[Cell, Cell]]:
    """Pairs of the same cell, on the wall clock and on the virtual one."""
    taken = list(cells)
    virtual = {cell.key: cell for cell in taken if cell.clock is Clock.VIRTUAL}
    return [(cell, virtual[cell.key]) for cell in taken if cell.clock is Clock.WALL and cell.key in virtual]
