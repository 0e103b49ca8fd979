"""A chat so far, as a value: its turns, and the pictures that they speak of.

Guarantees: nothing is changed in place; the same chat, wishes and choice are the same question. The seed of a turn is
derived from the person's and from how many answers stand before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from device_client.answer import Question
from shared.speculation.request import Message, Part, Picture, SamplingWish, Text
from shared.speculation.seeds import derived_seed


@dataclass(frozen=True)
class SeenPicture:
    """A picture as encoded, which the edge gets, and as the draft sees it."""

    encoded: bytes
    image: Image.Image


@dataclass(frozen=True)
class Chat:
    """The turns so far and, in the order of their indices, the pictures in them."""

    messages: tuple[Message, ...] = ()
    pictures: tuple[SeenPicture, ...] = ()

    def with_system(self, text: str) -> Chat:
        """The same chat behind this instruction, which replaces an older one at its beginning."""
        rest = self.messages[1:] if self.messages[:1] and self.messages[0].role == "system" else self.messages
        return replace(self, messages=(Message("system", (Text(text),)), *rest))

    def asked(self, prompt: str, pictures: Sequence[SeenPicture] = ()) -> Chat:
        """The chat with a further turn of the person's: pictures, then words."""
        places = range(len(self.pictures), len(self.pictures) + len(pictures))
        parts: tuple[Part, ...] = (*(Picture(place) for place in places), Text(prompt))
        return Chat((*self.messages, Message("user", parts)), (*self.pictures, *pictures))

    def answered(self, text: str) -> Chat:
        """The chat with an answer."""
        return replace(self, messages=(*self.messages, Message("assistant", (Text(text),))))

    def question(self, wish: SamplingWish, choice: int = 0, *, log_probabilities: bool = False) -> Question:
        """What is asked now, as the `choice`-th of several answers to it."""
        if wish.seed is not None:
            turn = sum(message.role == "assistant" for message in self.messages)
            wish = replace(wish, seed=derived_seed(wish.seed, choice, turn))
        encoded = tuple(picture.encoded for picture in self.pictures)
        images = tuple(picture.image for picture in self.pictures)
        return Question(self.messages, encoded, images, wish, log_probabilities)
