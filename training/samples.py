"""Draws the packaged sample pictures and their questions: `python -m training.samples`.

The scenes are held out; they are drawn two to three times as large as the model looks at them.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from shared.demo.descriptions import STYLES
from shared.demo.world import HELD_OUT, Scene, ask_kind, draw, scene

FOLDER = Path(__file__).parents[1] / "shared" / "demo" / "samples"
FAR = 5_000_000  # sample seeds lie beyond those that are measured


@dataclass(frozen=True)
class Order:
    """One sample: the first held-out scene of this size, background and number of things, and what is asked."""

    name: str
    size: tuple[int, int]
    background: str
    things: int
    scale: float
    question: str


ORDERS = (
    Order("five-on-blue", (128, 128), "blue", 5, 3, "What do you see?"),
    Order("four-by-three", (144, 192), "green", 4, 2, "Describe the picture."),
    Order("tall", (192, 128), "yellow", 4, 2, "Tell me about the picture."),
    Order("three-on-white", (144, 144), "white", 3, 3, "Describe the picture row by row."),
    Order("wide", (128, 192), "purple", 5, 2, "List everything."),
    Order("pair-on-pink", (128, 160), "pink", 2, 3, "What do you see?"),
)


def find(order: Order) -> Scene:
    """The first held-out scene that fits."""
    seed = HELD_OUT + FAR
    while True:
        found = scene(seed, order.size)
        if found.background == order.background and len(found.things) == order.things:
            return found
        seed += 1


def right_answer(wanted: Scene, question: str) -> str:
    """What the world answers."""
    for style in STYLES:
        if question in style.prompts:
            return style.write(wanted)
    return ask_kind(wanted, "list", random.Random(0)).answer


def main() -> None:
    """Writes the pictures and samples.json."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    entries = []
    for order in ORDERS:
        wanted = find(order)
        draw(wanted, order.scale).save(FOLDER / f"{order.name}.png", optimize=True)
        answer = right_answer(wanted, order.question)
        entries.append({"picture": f"{order.name}.png", "question": order.question, "answer": answer})
    (FOLDER / "samples.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
