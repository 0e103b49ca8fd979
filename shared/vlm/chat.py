"""What a chat must be before any model's template sees it, and what room its prompt must leave. Refused by name."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from shared.errors import InvalidValue, PromptTooLong
from shared.excerpts import Shown
from shared.speculation.request import Message, Picture

ROLES = ("system", "user", "assistant")


def pictures_in_order(messages: Sequence[Message], images: Sequence[Image.Image]) -> tuple[Image.Image, ...]:
    """The pictures in the order of their places in the messages, one for each place.

    Raises InvalidValue for a chat without messages, an unknown role, a place without a picture and a picture without
    a place.
    """
    if not messages:
        raise InvalidValue("messages", [], "a chat needs at least one message")
    places = []
    for number, message in enumerate(messages):
        if message.role not in ROLES:
            raise InvalidValue(f"messages[{number}].role", message.role, f"must be one of {', '.join(ROLES)}")
        for part in message.parts:
            if isinstance(part, Picture):
                if not 0 <= part.index < len(images):
                    raise InvalidValue(f"messages[{number}] picture", part.index, f"there are {len(images)} images")
                places.append(part.index)
    for index in range(len(images)):
        if index not in places:
            raise InvalidValue("images", index, "no message has a place for this image")
    return tuple(images[index] for index in places)


def check_room(length: int, visual_tokens: int, context_length: int) -> None:
    """Raise PromptTooLong unless a prompt of `length` tokens leaves at least one token for the answer."""
    if length >= context_length:
        raise PromptTooLong(
            "prompt",
            length,
            f"that many tokens, {visual_tokens} of them of pictures, leave no room for an answer: the model's context "
            f"holds {context_length} tokens of prompt and answer together",
        )


def check_least(least: int, context_length: int) -> None:
    """Raise PromptTooLong for a prompt of `least` tokens or more that would leave none for the answer."""
    if least >= context_length:
        raise PromptTooLong(
            "prompt",
            Shown(f"{least} tokens or more"),
            f"they leave no room for an answer: the model's context holds {context_length} tokens of prompt and answer "
            "together",
        )
