"""The port: what both ends ask of a vision-language model.

A `Prompt` is prepared once, its pictures are seen once, and `prefill` yields a `Decoder` that holds one answer's KV.
Block == one by one == full; `truncate` leaves no trace; decoders of one model do not see each other.
It does not know: sampling, proposals, the wire. One thread at a time may use a model and its decoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image
from torch import Tensor

from shared.speculation.prints import ModelPrints
from shared.speculation.request import Message, ModelDefaults


@dataclass(frozen=True)
class ModelInfo:
    """What a model is. `rows`: width of a logit row, which may exceed the tokenizer's vocabulary.

    `context_length`: tokens of prompt and answer together. `placeholder_ids`: ids that stand for pictures or video in a
    prompt; one of them as a token of an answer would break the forward.
    """

    name: str
    family: str
    context_length: int
    rows: int
    placeholder_ids: frozenset[int]
    defaults: ModelDefaults
    prints: ModelPrints


@dataclass(frozen=True)
class Prompt:
    """A prompt made ready for one model.

    `ids`: token ids with every visual token as its own placeholder. `visual_tokens`: how many of them each picture
    has, in the order of the pictures. `pixels`: what the family's vision tower takes, opaque to everyone else.
    """

    ids: tuple[int, ...]
    visual_tokens: tuple[int, ...]
    pixels: Any


@dataclass(frozen=True)
class VisualTokens:
    """What the model saw: features of all pictures, concatenated in their order.

    `extras`: features that go into deeper layers at the same places (deepstack), opaque to everyone else.
    """

    features: Tensor  # [visual tokens, hidden]
    extras: Any


class Decoder(Protocol):
    """One answer's KV. It holds the prompt and output tokens `[0, length)`."""

    @property
    def length(self) -> int:
        """How many output tokens are held."""

    def extend(self, ids: Sequence[int]) -> Tensor:
        """Take output tokens `[length, length + len(ids))`, at least one; the logits after each: [ids, rows]."""

    def truncate(self, length: int) -> None:
        """Forget the output tokens from `length` on, 0 <= length <= self.length."""


class Tokenizer(Protocol):
    """Text and ids of one vocabulary."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special tokens left out; U+FFFD where a character is not complete."""


class Vlm(Protocol):
    """A vision-language model."""

    info: ModelInfo
    tokenizer: Tokenizer

    def prepare(self, messages: Sequence[Message], images: Sequence[Image.Image]) -> Prompt:
        """Apply the model's own chat template and image processor. Raises InvalidValue, PromptTooLong."""

    def see(self, prompt: Prompt) -> VisualTokens:
        """Run the vision tower over every picture of the prompt."""

    def prefill(
        self, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None = None, ids: Sequence[int] = ()
    ) -> tuple[Decoder, Tensor]:
        """Run the prompt, and after it output tokens `ids`, in one forward.

        `kept`: sorted indices into `visual`, the visual tokens that enter the model, at their original positions;
        None: all. Returns a decoder that holds `ids`, and the logits after the prompt and after each of them:
        [1 + ids, rows].
        """
