"""Pruners that do not look: chance and an even grid. Both are hard to beat, so every table needs them.

The grid spreads over each picture by where tokens sit, whatever their order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from device_client.prune.cells import by_picture
from device_client.prune.sight import Kept, Sight, ranks


def text_only(sight: Sight, count: int) -> Kept:
    """Nothing is kept: the draft reads the question alone."""
    del sight, count
    return Kept(())


def randomly(seed: int, sight: Sight, count: int) -> Kept:
    """`count` tokens at random: a function of the seed, the number of tokens and `count`."""
    generator = torch.Generator().manual_seed(seed)
    return Kept.of(torch.randperm(sight.count, generator=generator)[:count])


def evenly(sight: Sight, count: int) -> Kept:
    """In each picture the tokens nearest to the middles of a grid of cells of its shape.

    Cells are as square as the picture's rows and columns of tokens allow; what the grid leaves of the budget is spread
    evenly over the rest in raster order.
    """
    return by_picture(sight, count, lambda _, tokens, budget: _grid(sight.boxes[tokens], budget))


def _grid(boxes: Tensor, count: int) -> Tensor:
    """Indices of `count` of these tokens."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    across, down = (max(ranks(middles[:, axis])) + 1 for axis in (0, 1))
    rows = min(down, count, max(1, round(math.sqrt(count * down / across))))
    columns = min(across, count // max(1, rows))
    if rows * columns == 0:
        return torch.zeros(0, dtype=torch.long)
    wanted = torch.cartesian_prod((torch.arange(columns) + 0.5) / columns, (torch.arange(rows) + 0.5) / rows)
    nearest = sorted(set(torch.cdist(wanted, middles.float()).argmin(-1).tolist()))
    left = torch.tensor([token for token in range(len(boxes)) if token not in set(nearest)], dtype=torch.long)
    wanting = count - len(nearest)
    more = (torch.arange(wanting) + 0.5) * len(left) / max(1, wanting)
    return torch.cat([torch.tensor(nearest), left[more.long()]])
