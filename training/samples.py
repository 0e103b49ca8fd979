"""Draws the packaged sample pictures and their questions: `python -m training.samples`.

The scenes are held out. Small plain ones are drawn twice as large as the world has them, rich ones as they are.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from shared.demo.descriptions import STYLES
from shared.demo.world import HELD_OUT, Scene, ask_kind, draw, rich_scene, scene

FOLDER = Path(__file__).parents[1] / "shared" / "demo" / "samples"
FAR = 5_000_000  # sample seeds lie beyond those that are measured


@dataclass(frozen=True)
class Order:
    """One sample: the first held-out scene that is so, and what is asked about it."""

    name: str
    size: tuple[int, int]
    background: str
    question: str
    least: int  # things
    pattern: str | None = None  # of a rich scene; None for a small plain one
    side: int = 3


ORDERS = (
    Order("five-on-blue", (128, 128), "blue", "What do you see?", 5),
    Order("tall", (192, 128), "yellow", "Tell me about the picture.", 4),
    Order("three-on-white", (144, 144), "white", "Describe the picture row by row.", 3),
    Order("checks", (256, 384), "pink", "Describe the picture.", 5, "checks"),
    Order("stripes", (320, 240), "green", "Tell me what you see.", 4, "stripes"),
    Order("blobs", (256, 320), "purple", "List everything.", 4, "blobs"),
    Order("board-of-four", (320, 320), "gray", "Read the four by four board.", 7, "speckle", 4),
    Order("board-of-five", (320, 320), "yellow", "Read the five by five board.", 12, "gradient", 5),
)


def fits(found: Scene, order: Order) -> bool:
    """Whether a scene is what was ordered."""
    pattern = None if found.texture is None else found.texture.pattern
    return (found.background, pattern) == (order.background, order.pattern) and len(found.things) >= order.least


def find(order: Order) -> Scene:
    """The first held-out scene that fits."""
    seed = HELD_OUT + FAR
    while True:
        found = scene(seed, order.size) if order.pattern is None else rich_scene(seed, order.size, order.side)
        if fits(found, order):
            return found
        seed += 1


def right_answer(wanted: Scene, question: str) -> str:
    """What the world answers."""
    for style in STYLES:
        if question in style.prompts:
            return style.write(wanted)
    kind = "board" if "board" in question else "list"
    return ask_kind(wanted, kind, random.Random(0)).answer


def main() -> None:
    """Writes the pictures and samples.json."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for stale in FOLDER.glob("*.png"):
        stale.unlink()
    entries = []
    for order in ORDERS:
        wanted = find(order)
        draw(wanted, 2 if order.pattern is None else 1).save(FOLDER / f"{order.name}.png", optimize=True)
        answer = right_answer(wanted, order.question)
        entries.append({"picture": f"{order.name}.png", "question": order.question, "answer": answer})
    (FOLDER / "samples.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
