"""What is asked: held-out pictures with much to tell, a new one for each pair, so that no cache knows it.

Descriptions, of small plain pictures and of large textured ones in turn, and now and then a whole board, read cell by
cell in two hundred tokens and more.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from shared.demo.world import HELD_OUT, Question, Scene, ask_kind, draw, rich_scene, scene

FIRST = HELD_OUT + 5_000_000  # apart from what other measurements ask
LEAST_THINGS = 4
BOARD_EVERY = 23  # questions: once in a cell of 20 pairs and what warms it up


@dataclass(frozen=True)
class Asked:
    """A picture file and a prompt."""

    picture: Path
    prompt: str


def questions(folder: Path) -> Iterator[Asked]:
    """Endless, the same every time; pictures are drawn into `folder` as they are needed."""
    seeds = count(FIRST)
    for number in count():
        shown, question = _next(seeds, number)
        picture = folder / f"{number}.png"
        draw(shown).save(picture)
        yield Asked(picture, question.prompt)


def _next(seeds: Iterator[int], number: int) -> tuple[Scene, Question]:
    board = number % BOARD_EVERY == BOARD_EVERY - 1
    for seed in seeds:
        rich = board or number % 2 == 1
        shown = rich_scene(seed, side=5 if board else 3) if rich else scene(seed)
        if len(shown.things) >= LEAST_THINGS:
            return shown, ask_kind(shown, "board" if board else "describe", random.Random(seed))
    raise AssertionError("seeds are endless")
