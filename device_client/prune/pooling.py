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
    """The tokens of each cell: of those shapes that give at most `count` cells, the one with most, then squarest."""
    rows, columns = (torch.tensor(ranks(boxes[:, axis] + boxes[:, axis + 2])) for axis in (1, 0))
    down, across = int(rows.max()) + 1, int(columns.max()) + 1
    shapes = [(h, w) for h in range(1, down + 1) for w in range(1, across + 1)]
    fitting = [(-(-down // h) * -(-across // w), -abs(h - w), h, w) for h, w in shapes]
    _, _, high, wide = max(each for each in fitting if each[0] <= count)
    cell = rows // high * across + columns // wide
    return [(cell == number).nonzero()[:, 0] for number in sorted(set(cell.tolist()))]


def _receiver(boxes: Tensor, members: Tensor) -> tuple[int, Tensor]:
    """The member nearest to the middle of its cell, which stands for all of them."""
    middles = (boxes[members, :2] + boxes[members, 2:]) / 2
    return int(members[(middles - middles.mean(0)).norm(dim=-1).argmin()]), members
