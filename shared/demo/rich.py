"""Rich scenes: large pictures with textured backgrounds, marks without a name, and boards of up to five by five cells.

A rich scene is a pure function of its seed, with the same border between training and held-out seeds. Marks are drawn
under the things, so they hide nothing, and no answer depends on them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from shared.demo.backgrounds import PATTERNS
from shared.demo.marks import SHAPES
from shared.demo.scenes import HELD_OUT, Mark, Scene, Texture, Thing
from shared.demo.words import COLORS, NOUNS

RICH_SIZES = (  # height, width in pixels: 256 to 576 visual tokens of 16 x 16
    (256, 256), (256, 272), (240, 320), (320, 240), (208, 352), (352, 208), (256, 320), (320, 256),
    (256, 384), (384, 256), (320, 320), (288, 384), (384, 288), (256, 448), (384, 384),
)  # fmt: skip
RICH_SIZE_WEIGHTS = (6, 2, 3, 3, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1)
_WEIGHTED_SIZES = tuple(zip(RICH_SIZES, RICH_SIZE_WEIGHTS, strict=True))
COUNT_WEIGHTS = (2, 3, 4, 4, 4)  # of one, two, ... five things on three by three cells
SIDE_WEIGHTS = {3: 8, 4: 1, 5: 1}
FULLNESS = {4: (4, 9), 5: (6, 13)}  # things on the larger boards
LEAST_CELL = {4: 60, 5: 51}  # pixels: a picture with smaller cells has three a side
SMALLEST, LARGEST = 36.0, 100.0  # pixels of a thing
MARK_COLORS = (
    (30, 30, 34), (196, 40, 44), (36, 92, 190), (24, 130, 70), (230, 150, 20), (120, 60, 150), (250, 250, 248),
    (110, 76, 50), (20, 150, 160), (90, 96, 104),
)  # fmt: skip


def sides(size: tuple[int, int]) -> tuple[int, ...]:
    """How many cells a side may have in a picture of this size."""
    return (3, *(side for side, least in LEAST_CELL.items() if min(size) >= side * least))


def rich_scene(seed: int, size: tuple[int, int] | None = None, side: int | None = None) -> Scene:
    """The rich scene of a seed; `size` (height, width) and `side` override the drawn ones."""
    rng = random.Random(f"rich/{seed}")
    if size is None:
        weights = [weight * (side is None or side in sides(each)) for each, weight in _WEIGHTED_SIZES]
        size = rng.choices(RICH_SIZES, weights)[0]
    height, width = size
    drawn = rng.choices(sides(size), [SIDE_WEIGHTS[each] for each in sides(size)])[0]
    side = drawn if side is None else side
    background = rng.choice(tuple(COLORS))
    red, green, blue = (min(255, max(0, value + rng.randint(-9, 9))) for value in COLORS[background])
    count = rng.choices(range(1, 6), COUNT_WEIGHTS)[0] if side == 3 else rng.randint(*FULLNESS[side])
    cells = sorted(rng.sample(range(side**2), count))
    cell = min(height, width) / side
    things = tuple(_thing(rng, noun, place, cell) for noun, place in zip(rng.sample(NOUNS, count), cells, strict=True))
    marks = tuple(_mark(rng) for _ in range(rng.randint(1, 8)))
    shade, grain, ruled = (red, green, blue), rng.getrandbits(31), side > 3 and rng.random() < 0.5
    return Scene(height, width, background, shade, grain, things, side, _texture(rng), marks, ruled)


def _thing(rng: random.Random, noun: str, place: int, cell: float) -> Thing:
    size = rng.uniform(SMALLEST, min(LARGEST, 0.98 * cell)) / cell
    room = min(0.2, max(0.05, (1 - size) / 2))
    centre = (0.5 + rng.uniform(-room, room), 0.5 + rng.uniform(-room, room))
    return Thing(noun, place, centre, size, rng.uniform(-14, 14))


def _texture(rng: random.Random) -> Texture | None:
    if rng.random() < 0.1:
        return None
    kind = rng.choice(tuple(PATTERNS))
    return Texture(kind, rng.uniform(6, 22), rng.uniform(7, 40), rng.uniform(0, 180), rng.getrandbits(31))


def _mark(rng: random.Random) -> Mark:
    centre = (rng.random(), rng.random())
    return Mark(rng.choice(tuple(SHAPES)), centre, rng.uniform(10, 44), rng.uniform(0, 360), rng.choice(MARK_COLORS))


def held_out_rich_scenes(count: int, first: int = 0) -> Iterator[Scene]:
    """`count` rich scenes that no training has seen."""
    for index in range(first, first + count):
        yield rich_scene(HELD_OUT + index)
