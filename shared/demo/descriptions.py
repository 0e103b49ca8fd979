"""Four styles of describing a scene, and how to read the placed nouns back out of a description.

Everything is named in reading order, so a description is a function of the scene.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from shared.demo.scenes import Scene, Thing
from shared.demo.words import NOUNS, NUMBERS, PLACES, ROWS, enumerated, with_article


@dataclass(frozen=True)
class Style:
    """Prompts that all ask for one way of writing."""

    prompts: tuple[str, ...]
    write: Callable[[Scene], str]


def _placed(thing: Thing) -> str:
    return f"{with_article(thing.noun)} {PLACES[thing.cell]}"


def plain(scene: Scene) -> str:
    """`The picture has a blue background. There is a dog at the top and a cat on the left.`"""
    listed = enumerated([_placed(thing) for thing in scene.things])
    return f"The picture has {with_article(scene.background)} background. There is {listed}."


def counted(scene: Scene) -> str:
    """`I see two things: a dog at the top and a cat on the left.`"""
    count = len(scene.things)
    noun = "thing" if count == 1 else "things"
    listed = enumerated([_placed(thing) for thing in scene.things])
    return f"I see {NUMBERS[count]} {noun} on {with_article(scene.background)} background: {listed}."


def told(scene: Scene) -> str:
    """`Everything is drawn on blue. The dog is at the top. The cat is on the left.`"""
    told_of = [f"The {thing.noun} is {PLACES[thing.cell]}." for thing in scene.things]
    return " ".join([f"Everything is drawn on {scene.background}.", *told_of])


def by_rows(scene: Scene) -> str:
    """`The top row has a dog. The middle row has a cat. The bottom row has nothing.`"""
    parts = []
    for row, name in enumerate(ROWS):
        nouns = [with_article(thing.noun) for thing in scene.things if thing.cell // 3 == row]
        parts.append(f"The {name} row has {enumerated(nouns) or 'nothing'}.")
    return " ".join(parts)


STYLES = (
    Style(("Describe the picture.", "Describe this picture.", "Describe the image."), plain),
    Style(("What do you see?", "Tell me what you see."), counted),
    Style(("Tell me about the picture.", "Tell a story."), told),
    Style(("Describe the picture row by row.", "Go row by row."), by_rows),
)

_PLACED = re.compile(rf"\b({'|'.join(NOUNS)})\b(?: is)? ({'|'.join(sorted(PLACES, key=len, reverse=True))})")


def placed_nouns(text: str) -> set[tuple[str, str]]:
    """The (noun, place) pairs a description names; row-by-row texts name rows instead of places."""
    pairs = {(noun, place) for noun, place in _PLACED.findall(text)}
    for name in ROWS:
        for listed in re.findall(rf"The {name} row has ([^.]*)\.", text):
            pairs |= {(noun, f"{name} row") for noun in re.findall(r"[a-z]+", listed) if noun in NOUNS}
    return pairs
