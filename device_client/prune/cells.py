"""Cells: each picture is cut into as many as are to be kept, finer where it holds more, and each keeps its best token.

The cutting is that of S2Prune (arXiv 2609.01224), which found that the best tokens of a whole picture lie in a heap. It
goes by where tokens sit, so it holds for any grid, for tiles, and for places that several tokens share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad

from device_client.prune.sight import Kept, Sight, given, ranks, shares, spread, top

Grid = Mapping[tuple[int, int], list[int]]  # the tokens at each (row, column) of a picture that has any


@dataclass(frozen=True)
class Cell:
    """Rows [top, bottom) and columns [left, right) of a picture's tokens."""

    top: int
    bottom: int
    left: int
    right: int

    def halves(self) -> tuple[Cell, Cell]:
        """Cut across the longer side; of a square, the rows."""
        high, wide = self.bottom - self.top, self.right - self.left
        if high >= wide:
            middle = self.top + high // 2
            return Cell(self.top, middle, self.left, self.right), Cell(middle, self.bottom, self.left, self.right)
        middle = self.left + wide // 2
        return Cell(self.top, self.bottom, self.left, middle), Cell(self.top, self.bottom, middle, self.right)

    def places(self, grid: Grid) -> list[tuple[int, int]]:
        """Those in it that have tokens."""
        rows, columns = range(self.top, self.bottom), range(self.left, self.right)
        return [(row, column) for row in rows for column in columns if (row, column) in grid]


@dataclass(frozen=True)
class Region:
    """A cell before it is cut. `size`: rows and columns of its whole picture; `tokens`: those in it."""

    cell: Cell
    size: tuple[int, int]
    tokens: list[int]


Detail = Callable[[Region], float]  # how much there is to see in a region, 0 or more


def cut(boxes: Tensor, count: int, detail: Detail) -> list[list[int]]:
    """The tokens of each of at most `count` cells of one picture with these boxes [tokens, 4].

    Regions: G x G with G = floor(sqrt(count / 2)), which is the paper's 4, 5, 8 for 32, 64, 128. Each is one cell and,
    by largest remainder, its share of the others, by detail scaled from 0 to 1; a region is halved, its largest cell
    first. There are fewer than `count` where fewer places have tokens.
    """
    rows, columns = (ranks(boxes[:, axis] + boxes[:, axis + 2]) for axis in (1, 0))
    grid: dict[tuple[int, int], list[int]] = {}
    for token, place in enumerate(zip(rows, columns, strict=True)):
        grid.setdefault(place, []).append(token)
    size = max(rows) + 1, max(columns) + 1
    side = max(1, math.isqrt(count // 2))
    regions = [cell for cell in _regions(size, min(side, size[0]), min(side, size[1])) if cell.places(grid)]
    found = [Region(cell, size, [token for place in cell.places(grid) for token in grid[place]]) for cell in regions]
    weights = spread(torch.tensor([detail(region) for region in found])).tolist()
    rooms = [len(cell.places(grid)) - 1 for cell in regions]
    more = shares(weights, rooms, count - len(regions))
    cells = [cell for region, extra in zip(regions, more, strict=True) for cell in _split(region, grid, 1 + extra)]
    return [[token for place in cell for token in grid[place]] for cell in cells]


def filled(chosen: list[int], scores: Tensor, count: int) -> Tensor:
    """`chosen`, and behind them the best of the others up to `count`."""
    taken = set(chosen)
    rest = [token for token in top(scores, len(scores)).tolist() if token not in taken]
    return torch.tensor(chosen + rest[: count - len(chosen)], dtype=torch.long)


def erc(sight: Sight, count: int) -> Kept:
    """S2Prune: activity |h_1 - h_0|, how much the first layer changes a token; detail: variance of the Laplacian.

    Pictures share the budget by their number of tokens.
    """
    if sight.grey is None:
        raise ValueError("a pruner needs what it asks for")
    update, edges = given(sight.update), [laplacian(each) for each in sight.grey]

    def choose(number: int, tokens: Tensor, budget: int) -> Tensor:
        activity = update[tokens]
        cells = cut(sight.boxes[tokens], budget, lambda region: _variance(edges[number], region))
        best = [max(cell, key=lambda token: (float(activity[token]), -token)) for cell in cells]
        return filled(best, activity, budget)

    return by_picture(sight, count, choose)


def by_picture(sight: Sight, count: int, choose: Callable[[int, Tensor, int], Tensor]) -> Kept:
    """Pictures share the budget by their number of tokens; (picture, its tokens, its budget) -> which of them."""
    pictures = sight.of_pictures()
    sizes = [len(picture) for picture in pictures]
    chosen = [torch.zeros(0, dtype=torch.long)]
    for number, budget in enumerate(shares([float(size) for size in sizes], sizes, count)):
        if budget:
            chosen.append(pictures[number][choose(number, pictures[number], budget)])
    return Kept.of(torch.cat(chosen))


def laplacian(grey: Tensor) -> Tensor:
    """The sum of the four neighbours less four times itself; edges are repeated: [height, width]."""
    wide = pad(grey[None, None].float(), (1, 1, 1, 1), mode="replicate")[0, 0]
    return wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * grey.float()


def _variance(edges: Tensor, region: Region) -> float:
    """Where the region lies."""
    cell, (down, across), (height, width) = region.cell, region.size, edges.shape
    top_, bottom = round(cell.top * height / down), round(cell.bottom * height / down)
    left, right = round(cell.left * width / across), round(cell.right * width / across)
    part = edges[top_:bottom, left:right].double()
    return float(part.var(correction=0)) if part.numel() else 0.0


def _regions(size: tuple[int, int], rows: int, columns: int) -> list[Cell]:
    down, across = (
        [round(i * n / parts) for i in range(parts + 1)] for n, parts in zip(size, (rows, columns), strict=True)
    )
    return [Cell(top_, bottom, left, right) for top_, bottom in pairwise(down) for left, right in pairwise(across)]


def _split(region: Cell, grid: Grid, count: int) -> list[list[tuple[int, int]]]:
    """The places of `count` cells; a half without any is no cell."""
    cells = [(region, region.places(grid))]
    while len(cells) < count:
        largest = max(range(len(cells)), key=lambda i: (len(cells[i][1]), -i))
        halves = [(half, half.places(grid)) for half in cells[largest][0].halves()]
        cells[largest : largest + 1] = [each for each in halves if each[1]]
    return [places for _, places in cells]
