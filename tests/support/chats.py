"""Chats that begin alike, as prompts whose pictures are known by content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from PIL import Image

from shared.speculation.request import Message, Picture, Text
from shared.vlm.port import Prompt, VisualTokens, Vlm


def turns(*said: str, pictures: Sequence[int] = ()) -> tuple[Message, ...]:
    """A chat of the person's words and answers in turn. `pictures`: how many the person's turns bring, in order."""
    messages, first = [], 0
    for number, text in enumerate(said):
        count = pictures[number // 2] if number % 2 == 0 and number // 2 < len(pictures) else 0
        places = tuple(Picture(index) for index in range(first, first + count))
        first += count
        messages.append(Message(("user", "assistant")[number % 2], (*places, Text(text))))
    return tuple(messages)


def digest(image: Image.Image) -> bytes:
    """By what a picture is known."""
    return hashlib.sha256(repr((image.mode, image.size)).encode() + image.tobytes()).digest()


def known(vlm: Vlm, messages: Sequence[Message], images: Sequence[Image.Image]) -> tuple[Prompt, VisualTokens]:
    """A chat as a prompt, its pictures known by content, and what the model sees of them."""
    parts = [part for message in messages for part in message.parts]
    placed = [digest(images[part.index]) for part in parts if isinstance(part, Picture)]
    prompt = vlm.prepare(messages, images).known_by(placed)
    return prompt, vlm.see(prompt)


def alike(vlm: Vlm, some: Prompt, ids: Sequence[int], others: Prompt) -> int:
    """How many tokens `some` and output tokens `ids` behind it share with the beginning of `others`."""
    count = 0
    for one, other in zip([*_told(vlm, some), *ids], _told(vlm, others), strict=False):
        if one != other:
            break
        count += 1
    return count


def _told(vlm: Vlm, prompt: Prompt) -> list[object]:
    """Ids, but for visual tokens: the picture's digest, how many tokens it has and which of them it is."""
    runs = zip(prompt.digests, prompt.visual_tokens, strict=True)
    seen = iter([(digest, count, place) for digest, count in runs for place in range(count)])
    return [next(seen) if token in vlm.info.placeholder_ids else token for token in prompt.ids]
