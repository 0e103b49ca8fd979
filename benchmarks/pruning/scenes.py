"""Held-out rich scenes with a mixed question each, and what the target says to it without noise."""

from __future__ import annotations

import random
from dataclasses import dataclass

from torch import Tensor

from device_client.reduce import Asked
from shared.demo.world import HELD_OUT, ask, draw, rich_scene
from shared.speculation.request import Message, Picture, Text
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill

CHOSEN_ON = 3_000_000  # the first of the held-out scenes on which covspec's formula was chosen
REPORTED = 5_000_000  # of those that nobody looked at before it was settled
LONGEST = 320  # tokens of an answer


@dataclass(frozen=True)
class Case:
    """A question as the draft is asked it. `attention`: where the target's text looks, for the verifier-guided."""

    asked: Asked
    answer: tuple[int, ...]
    attention: Tensor  # [visual tokens]


def case(target: Vlm, draft: Vlm, number: int) -> Case:
    """A question about held-out scene `number`."""
    seed = HELD_OUT + number
    scene = rich_scene(seed)
    picture, prompt = draw(scene), ask(scene, random.Random(seed)).prompt
    messages = (Message("user", (Picture(0), Text(prompt))),)
    seen = target.prepare(messages, [picture])
    visual = target.see(seen)
    attention = target.attention(seen, visual)
    decoder, rows = prefill(target, seen, visual)
    answer = [int(rows[-1].argmax())]
    while answer[-1] not in target.info.defaults.eos_ids and len(answer) < LONGEST:
        answer.append(int(extend(target, decoder, answer[-1:])[-1].argmax()))
    asked = Asked(draft, draft.prepare(messages, [picture]), messages, [picture])
    return Case(asked, tuple(answer), attention)
