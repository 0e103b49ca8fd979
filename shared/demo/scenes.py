"""Scenes of the world: a background and different things, at most one in each cell of a square board.

A scene is a pure function of its seed. Seeds below `HELD_OUT` are for training, the others for measuring.
`scene` makes the small plain ones: one to five things on three by three cells.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from shared.demo.words import COLORS, NOUNS

HELD_OUT = 1 << 40
SIZES = (  # height, width in pixels; multiples of patch * merge = 16
    (128, 128), (144, 144), (96, 160), (160, 96), (112, 144), (144, 112),
    (128, 160), (160, 128), (128, 176), (176, 128), (128, 192), (192, 128),
)  # fmt: skip
SIZE_WEIGHTS = (5, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
COUNT_WEIGHTS = (2, 3, 4, 4, 4)  # of one, two, ... five things


@dataclass(frozen=True)
class Thing:
    """One object. `cell` counts row by row; the centre and the size are parts of a cell."""

    noun: str
    cell: int
    centre: tuple[float, float]  # (down, right) inside the cell, 0 .. 1
    size: float  # of the shorter side of the cell
    turn: float  # degrees


@dataclass(frozen=True)
class Texture:
    """How the shade of a background varies over the picture."""

    pattern: str
    strength: float  # most that a channel moves, 0 .. 255
    period: float  # pixels
    turn: float  # degrees
    seed: int


@dataclass(frozen=True)
class Mark:
    """A shape that has no name in the world: no question asks about it, no answer mentions it."""

    shape: str
    centre: tuple[float, float]  # (down, right), parts of the picture
    size: float  # pixels
    turn: float  # degrees
    color: tuple[int, int, int]


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn; `things` in reading order."""

    height: int
    width: int
    background: str
    shade: tuple[int, int, int]
    grain: int  # seed of the noise
    things: tuple[Thing, ...]
    side: int = 3  # cells down, and as many across
    texture: Texture | None = None
    marks: tuple[Mark, ...] = ()
    ruled: bool = False  # lines between the cells

    def at(self, cell: int) -> Thing | None:
        """The thing in a cell, if there is one."""
        return next((thing for thing in self.things if thing.cell == cell), None)

    def box(self, thing: Thing) -> tuple[float, float, float]:
        """Centre (down, right) and side of a thing, in pixels."""
        cell_height, cell_width = self.height / self.side, self.width / self.side
        down = (thing.cell // self.side + thing.centre[0]) * cell_height
        right = (thing.cell % self.side + thing.centre[1]) * cell_width
        return down, right, thing.size * min(cell_height, cell_width)


def scene(seed: int, size: tuple[int, int] | None = None, most: int = 5) -> Scene:
    """The scene of a seed; `size` (height, width) overrides the drawn one, `most` limits the things."""
    rng = random.Random(seed)
    drawn = rng.choices(SIZES, SIZE_WEIGHTS)[0]
    height, width = drawn if size is None else size
    background = rng.choice(tuple(COLORS))
    shade = tuple(min(255, max(0, value + rng.randint(-9, 9))) for value in COLORS[background])
    count = min(most, rng.choices(range(1, 6), COUNT_WEIGHTS)[0])
    cells = sorted(rng.sample(range(9), count))
    nouns = rng.sample(NOUNS, count)
    things = tuple(_thing(rng, noun, cell) for noun, cell in zip(nouns, cells, strict=True))
    return Scene(height, width, background, (shade[0], shade[1], shade[2]), rng.getrandbits(31), things)


def _thing(rng: random.Random, noun: str, cell: int) -> Thing:
    centre = (rng.uniform(0.42, 0.58), rng.uniform(0.42, 0.58))
    return Thing(noun, cell, centre, rng.uniform(0.80, 1.02), rng.uniform(-12, 12))


def training_scenes(first: int = 0) -> Iterator[Scene]:
    """Endless scenes of the training seeds."""
    for seed in range(first, HELD_OUT):
        yield scene(seed)


def held_out_scenes(count: int, first: int = 0) -> Iterator[Scene]:
    """`count` scenes that no training has seen."""
    for index in range(first, first + count):
        yield scene(HELD_OUT + index)
