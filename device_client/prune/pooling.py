"""Average pooling: neighbouring tokens become one, their mean, at the place of the one nearest to its middle.

2 x 2 cells for a quarter of the tokens (as a compressor of SpecVLM, arXiv 2509.11815); for other budgets cells as
square as can be. The same averages go through what deeper layers are given.
"""

from __future__ import annotations

import torch
from torch import Tensor

from device_client.prune.sight import Kept, Sight, ranks, shares


def pool(sight: Sight, count: int) -> Kept:
    """At most `count` cells, of at least one token each."""
    pictures = sight.of_pictures()
    sizes = [len(picture) for picture in pictures]
    kept: list[tuple[int, Tensor]] = []
    for picture, share in zip(pictures, shares([float(size) for size in sizes], sizes, count), strict=True):
        if share:
            kept += [_receiver(sight.boxes, picture[cell]) for cell in _cells(sight.boxes[picture], share)]
    kept.sort(key=lambda each: each[0])
    mixing = torch.zeros(len(kept), sight.count)
    for row, (_, members) in enumerate(kept):
        mixing[row, members] = 1 / len(members)
    return Kept(tuple(index for index, _ in kept), mixing)


def _cells(boxes: Tensor, count: int) -> list[Tensor]:
    """The tokens of each of at most `count` cells: the grid of bands that has many cells, and nearly square ones."""
    rows, columns = (torch.tensor(ranks(boxes[:, axis] + boxes[:, axis + 2])) for axis in (1, 0))
    down, across = int(rows.max()) + 1, int(columns.max()) + 1

    def worth(high: int, wide: int) -> float:
        aspect = (down / high) / (across / wide)
        return high * wide * min(aspect, 1 / aspect)

    grids = [(high, min(across, count // high)) for high in range(1, min(down, count) + 1)]
    high, wide = max(((h, w) for h, most in grids for w in range(1, most + 1)), key=lambda each: worth(*each))
    cell = _band(rows, down, high) * wide + _band(columns, across, wide)
    return [(cell == number).nonzero()[:, 0] for number in sorted(set(cell.tolist()))]


def _band(ranks: Tensor, size: int, bands: int) -> Tensor:
    """In which of `bands` of nearly the same width each of `size` ranks lies."""
    return ranks * bands // size


def _receiver(boxes: Tensor, members: Tensor) -> tuple[int, Tensor]:
    """The member nearest to the middle of its cell, which stands for all of them."""
    middles = (boxes[members, :2] + boxes[members, 2:]) / 2
    return int(members[(middles - middles.mean(0)).norm(dim=-1).argmin()]), members
