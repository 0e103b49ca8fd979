"""Pictures and questions that no model was trained on: what the benchmarks ask."""

from __future__ import annotations

import io
import random

from device_client.answer import Question
from shared.demo.world import HELD_OUT, Scene, ask_kind, draw, rich_scene, scene
from shared.demo.world import Question as Asked
from shared.media.images import open_image
from shared.speculation.request import Message, Picture, SamplingWish, Text

# Descriptions are long, the other answers are short: a third of the questions asks for one. A board is the longest.
KINDS_IN_TURN = (
    *("describe", "where", "place", "describe", "middle", "exists"),
    *("describe", "relation", "count", "board", "list", "background"),
)
_MOST_PIXELS = 10**6


def held_out(number: int, kind: str, wish: SamplingWish) -> Question:
    """A question of a kind about the scene of its own that belongs to `number`; the same number, the same question.

    Every third picture is a large textured one, and so are those of boards.
    """
    unseen, asked = unseen_scene(number, kind)
    encoded = io.BytesIO()
    draw(unseen).save(encoded, "PNG")
    messages = (Message("user", (Picture(0), Text(asked.prompt))),)
    picture = open_image(encoded.getvalue(), _MOST_PIXELS, "held-out scene")
    return Question(messages, (encoded.getvalue(),), (picture,), wish)


def unseen_scene(number: int, kind: str) -> tuple[Scene, Asked]:
    """The scene that belongs to `number`, and a question of that kind about it with its right answer."""
    seed = HELD_OUT + number
    if kind == "board":
        unseen = rich_scene(seed, side=3 + number % 3)
    else:
        unseen = rich_scene(seed, side=3) if number % 3 == 0 else scene(seed)
    return unseen, ask_kind(unseen, kind, random.Random(number))


def prompt_of(question: Question) -> str:
    """What is asked, without its picture."""
    return "".join(part.text for message in question.messages for part in message.parts if isinstance(part, Text))
