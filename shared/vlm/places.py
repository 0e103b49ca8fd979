"""Where visual tokens sit on their pictures, in fractions of the sides, so that it holds for a picture of any size.

It does not know models: a family says which grids its tokens come from, and in which order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

WHOLE = (0.0, 0.0, 1.0, 1.0)  # left, top, right, bottom: all of a picture


@dataclass(frozen=True)
class Places:
    """For each visual token, in their order, the picture it belongs to and the box on it that it stands for.

    Several tokens may share a box, or look at parts of one (a picture seen whole and in tiles); a token that stands for
    the end of a row has a box without width.
    """

    pictures: Tensor  # [visual tokens], numbers of pictures in the order of `Prompt.visual_tokens`
    boxes: Tensor  # [visual tokens, 4]: left, top, right, bottom, each from 0 to 1

    @staticmethod
    def of(boxes: Sequence[Tensor]) -> Places:
        """Of pictures in their order: for each the boxes of its tokens, [tokens, 4]."""
        numbers = [torch.full((len(each),), number) for number, each in enumerate(boxes)]
        empty = [torch.zeros(0, dtype=torch.long)], [torch.zeros(0, 4)]
        return Places(torch.cat(empty[0] + numbers), torch.cat([*empty[1], *boxes]))


def cells(rows: int, columns: int, within: tuple[float, float, float, float] = WHOLE) -> Tensor:
    """The boxes of a grid of cells that share the box `within` evenly, row by row: [rows x columns, 4]."""
    left, top, right, bottom = within
    across = torch.linspace(left, right, columns + 1)
    down = torch.linspace(top, bottom, rows + 1)
    corners = torch.meshgrid(down[:-1], across[:-1], indexing="ij")
    ends = torch.meshgrid(down[1:], across[1:], indexing="ij")
    return torch.stack([corners[1], corners[0], ends[1], ends[0]], dim=-1).reshape(-1, 4)
