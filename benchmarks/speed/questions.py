"""What is asked: held-out pictures with much to tell, a new one for each pair, so that no cache knows it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from shared.demo.world import HELD_OUT, ask_kind, draw, scene

FIRST = HELD_OUT + 5_000_000  # apart from what other measurements ask
LEAST_THINGS = 4


@dataclass(frozen=True)
class Asked:
    """A picture file and a prompt."""

    picture: Path
    prompt: str


def questions(folder: Path) -> Iterator[Asked]:
    """Endless, the same every time; pictures are drawn into `folder` as they are needed."""
    for number in count():
        shown = scene(FIRST + number)
        if len(shown.things) < LEAST_THINGS:
            continue
        picture = folder / f"{number}.png"
        draw(shown).save(picture)
        yield Asked(picture, ask_kind(shown, "describe", random.Random(number)).prompt)
