"""Where visual tokens sit on their pictures, in fractions of the sides, so that it holds for a picture of any size.

It does not know models: a family says which tiles its tokens come from, and in which order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

WHOLE = (0.0, 0.0, 1.0, 1.0)  # left, top, right, bottom: all of a picture


@dataclass(frozen=True)
class Tile:
    """A part of a picture that becomes `rows` times `columns` visual tokens, row by row.

    `within`: left, top, right and bottom of it in fractions of the picture's sides, beyond 0 or 1 where it is padded.
    `row_ends`: one more token ends each row.
    """

    rows: int
    columns: int
    within: tuple[float, float, float, float] = WHOLE
    row_ends: bool = False

    @property
    def tokens(self) -> int:
        """How many visual tokens it is."""
        return self.rows * (self.columns + self.row_ends)

    def boxes(self) -> Tensor:
        """What each token stands for, cut to the picture: [tokens, 4]. A row's end has no width."""
        left, top, right, bottom = self.within
        across = torch.linspace(left, right, self.columns + 1)
        if self.row_ends:
            across = torch.cat([across, across[-1:]])
        down = torch.linspace(top, bottom, self.rows + 1)
        corners = torch.meshgrid(down[:-1], across[:-1], indexing="ij")
        ends = torch.meshgrid(down[1:], across[1:], indexing="ij")
        boxes = torch.stack([corners[1], corners[0], ends[1], ends[0]], dim=-1)
        return boxes.clamp(0, 1).reshape(-1, 4)


def tiled(rows: int, columns: int, side: int) -> tuple[Tile, ...]:
    """A picture cut into `rows` times `columns` tiles of `side` times `side` tokens each, tile by tile."""
    return tuple(
        Tile(side, side, (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows))
        for row in range(rows)
        for column in range(columns)
    )


@dataclass(frozen=True)
class Places:
    """For each visual token, in their order, the picture it belongs to and the box on it that it stands for.

    Several tokens may share a box, or look at parts of one (a picture seen whole and in tiles); a token that stands for
    the end of a row has a box without width, one that stands for padding a box without area.
    """

    pictures: Tensor  # [visual tokens], numbers of pictures in the order of `Prompt.visual_tokens`
    boxes: Tensor  # [visual tokens, 4]: left, top, right, bottom, each from 0 to 1

    @staticmethod
    def of(pictures: Sequence[Iterable[Tile]]) -> Places:
        """Of pictures in their order: for each its tiles."""
        boxes = [torch.cat([tile.boxes() for tile in tiles]) for tiles in pictures]
        counts = torch.tensor([len(each) for each in boxes], dtype=torch.long)
        numbers = torch.arange(len(boxes)).repeat_interleave(counts)
        return Places(numbers, torch.cat(boxes) if boxes else torch.zeros(0, 4))
