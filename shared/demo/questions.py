"""Questions about scenes and their answers: each answer follows from the scene alone.

`ask` draws a question of any kind, `ask_kind` one of a given kind; both are pure functions of scene and generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.demo.descriptions import STYLES
from shared.demo.rich import rich_scene
from shared.demo.scenes import HELD_OUT, Scene, Thing, scene
from shared.demo.words import NOUNS, NUMBERS, PLACES, enumerated, sentence, with_article

RELATIONS = {"left of": (0, -1), "right of": (0, 1), "above": (-1, 0), "below": (1, 0)}


@dataclass(frozen=True)
class Question:
    """What is asked and what is right."""

    kind: str
    prompt: str
    answer: str


def neighbour(scene: Scene, thing: Thing, relation: str) -> Thing | None:
    """The nearest thing on that side in the same row or column."""
    down, right = RELATIONS[relation]
    row, column = divmod(thing.cell, 3)
    for step in (1, 2):
        there_row, there_column = row + step * down, column + step * right
        if 0 <= there_row < 3 and 0 <= there_column < 3:
            found = scene.at(3 * there_row + there_column)
            if found is not None:
                return found
    return None


def absent(scene: Scene, rng: random.Random) -> str:
    """A noun that is not in the scene."""
    present = {thing.noun for thing in scene.things}
    return rng.choice([noun for noun in NOUNS if noun not in present])


def _describe(scene: Scene, rng: random.Random) -> Question:
    style = rng.choice(STYLES)
    return Question("describe", rng.choice(style.prompts), style.write(scene))


def _where(scene: Scene, rng: random.Random) -> Question:
    if rng.random() < 0.25:
        noun = absent(scene, rng)
        return Question("where", f"Where is the {noun}?", f"There is no {noun}.")
    thing = rng.choice(scene.things)
    return Question("where", f"Where is the {thing.noun}?", f"The {thing.noun} is {PLACES[thing.cell]}.")


def _place(scene: Scene, rng: random.Random) -> Question:
    empty = [cell for cell in range(9) if scene.at(cell) is None]
    cell = rng.choice(empty) if rng.random() < 0.2 else rng.choice(scene.things).cell
    found = scene.at(cell)
    what = "nothing" if found is None else with_article(found.noun)
    return Question("place", f"What is {PLACES[cell]}?", f"There is {what} {PLACES[cell]}.")


def _middle(scene: Scene, rng: random.Random) -> Question:
    found = scene.at(4)
    what = "Nothing" if found is None else f"The {found.noun}"
    return Question("middle", "Which thing is in the middle?", f"{what} is in the middle.")


def _exists(scene: Scene, rng: random.Random) -> Question:
    thing = rng.choice(scene.things)
    if rng.random() < 0.5:
        answer = f"Yes, there is {with_article(thing.noun)} {PLACES[thing.cell]}."
        return Question("exists", f"Is there {with_article(thing.noun)}?", answer)
    noun = absent(scene, rng)
    return Question("exists", f"Is there {with_article(noun)}?", f"No, there is no {noun}.")


def _relation(scene: Scene, rng: random.Random) -> Question:
    pairs = [(thing, relation) for thing in scene.things for relation in RELATIONS]
    full = [pair for pair in pairs if neighbour(scene, *pair) is not None]
    thing, relation = rng.choice(full if full and rng.random() < 0.8 else pairs)
    found = neighbour(scene, thing, relation)
    what = "nothing" if found is None else with_article(found.noun)
    return Question(
        "relation", f"What is {relation} the {thing.noun}?", sentence(f"{what} is {relation} the {thing.noun}.")
    )


def _count(scene: Scene, rng: random.Random) -> Question:
    prompt = rng.choice(("How many things are there?", "How many things do you see?"))
    count = len(scene.things)
    answer = "There is one thing." if count == 1 else f"There are {NUMBERS[count]} things."
    return Question("count", prompt, answer)


def _list(scene: Scene, rng: random.Random) -> Question:
    prompt = rng.choice(("List everything.", "What is in the picture?", "What is there?"))
    listed = enumerated([with_article(thing.noun) for thing in scene.things])
    return Question("list", prompt, sentence(listed) + ".")


def _background(scene: Scene, rng: random.Random) -> Question:
    return Question("background", "What color is the background?", f"The background is {scene.background}.")


def _board(scene: Scene, rng: random.Random) -> Question:
    """Every cell in reading order, a full sentence each: 250 tokens and more for five rows."""
    size = f"{NUMBERS[scene.side]} by {NUMBERS[scene.side]}"
    prompt = rng.choice((f"Read the {size} board.", f"Go through the {size} board."))
    sentences = []
    for cell in range(scene.side**2):
        row, column = divmod(cell, scene.side)
        found = scene.at(cell)
        what = "nothing" if found is None else with_article(found.noun)
        sentences.append(f"In row {NUMBERS[row + 1]}, column {NUMBERS[column + 1]} there is {what}.")
    return Question("board", prompt, " ".join(sentences))


KINDS: dict[str, Callable[[Scene, random.Random], Question]] = {
    "describe": _describe,
    "where": _where,
    "place": _place,
    "middle": _middle,
    "exists": _exists,
    "relation": _relation,
    "count": _count,
    "list": _list,
    "background": _background,
    "board": _board,
}
WEIGHTS = {
    "describe": 6, "where": 4, "place": 4, "middle": 1, "exists": 4, "relation": 5, "count": 2, "list": 3,
    "background": 1, "board": 1,
}  # fmt: skip


def kinds_of(scene: Scene) -> tuple[str, ...]:
    """What can be asked: places have names on three by three cells alone."""
    return tuple(KINDS) if scene.side == 3 else ("background", "board")


def ask(scene: Scene, rng: random.Random) -> Question:
    """A question of a drawn kind."""
    kinds = kinds_of(scene)
    return KINDS[rng.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]](scene, rng)


def ask_kind(scene: Scene, kind: str, rng: random.Random) -> Question:
    """A question of the given kind."""
    return KINDS[kind](scene, rng)


def held_out_questions(kind: str, count: int, first: int = 0) -> Iterator[tuple[Scene, Question]]:
    """`count` questions of a kind, each about its own held-out scene, from the `first` on."""
    for index in range(first, first + count):
        seed = HELD_OUT + index
        unseen = scene(seed)
        yield unseen, ask_kind(unseen, kind, random.Random(f"{kind}/{seed}"))


def held_out_rich_questions(kind: str, count: int, first: int = 0) -> Iterator[tuple[Scene, Question]]:
    """The same about rich scenes; boards have three, four and five cells a side in turn."""
    for index in range(first, first + count):
        seed = HELD_OUT + index
        unseen = rich_scene(seed, side=3 + index % 3 if kind == "board" else 3)
        yield unseen, ask_kind(unseen, kind, random.Random(f"{kind}/{seed}"))
