"""Pictures and questions that no model was trained on: what the benchmarks ask."""

from __future__ import annotations

import io
import random

from device_client.answer import Question
from shared.demo.world import HELD_OUT, ask_kind, draw, scene
from shared.speculation.request import Message, Picture, SamplingWish, Text
from shared.vlm.images import open_image

# Descriptions are long, the other answers are short: a third of the questions asks for one.
KINDS_IN_TURN = (
    *("describe", "where", "place", "describe", "middle", "exists"),
    *("describe", "relation", "count", "describe", "list", "background"),
)
_MOST_PIXELS = 10**6


def held_out(number: int, kind: str, wish: SamplingWish) -> Question:
    """A question of a kind about the scene of its own that belongs to `number`; the same number, the same question."""
    unseen = scene(HELD_OUT + number)
    asked = ask_kind(unseen, kind, random.Random(number))
    encoded = io.BytesIO()
    draw(unseen).save(encoded, "PNG")
    messages = (Message("user", (Picture(0), Text(asked.prompt))),)
    picture = open_image(encoded.getvalue(), _MOST_PIXELS, "held-out scene")
    return Question(messages, (encoded.getvalue(),), (picture,), wish)


def prompt_of(question: Question) -> str:
    """What is asked, without its picture."""
    return "".join(part.text for message in question.messages for part in message.parts if isinstance(part, Text))
