"""The port: what both ends ask of a vision-language model.

A `Prompt` is prepared once, its pictures are seen once, `begin` yields a `Decoder` for one answer, and `step` takes
tokens of many decoders in one forward. Block == one by one == full, however a prompt is cut and whoever steps beside;
`truncate` leaves no trace; decoders do not see each other; a step that fails leaves all of them as they were; one that
has adopted what another holds goes on as if it had taken it itself. The rows of a block that is a tree are those of
each of its paths alone. It does not know: sampling, proposals, the wire. One thread at a time may use a model and its
decoders; `prepare` and the tokenizer may be used by others beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from shared.speculation.prints import ModelPrints
from shared.speculation.request import Message, ModelDefaults
from shared.vlm import marks
from shared.vlm.gaze import Gaze
from shared.vlm.places import Places


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
    `digests`: what whoever asks knows each picture by, if by content; it decides which decoders hold the same.
    """

    ids: tuple[int, ...]
    visual_tokens: tuple[int, ...]
    pixels: Any
    digests: tuple[bytes, ...] = ()

    def known_by(self, digests: Sequence[bytes]) -> Prompt:
        """The same prompt, each of its pictures known by the digest of its content; () leaves them unknown."""
        if digests and len(digests) != len(self.visual_tokens):
            raise ValueError(f"{len(digests)} digests of {len(self.visual_tokens)} pictures")
        return replace(self, digests=tuple(digests))


@dataclass(frozen=True)
class VisualTokens:
    """What the model saw: features of all pictures, concatenated in their order.

    `extras`: features that go into deeper layers at the same places (deepstack), as a tuple of tensors with one row for
    each visual token; or what else a model needs, opaque to everyone else. `marks`: by which tokens that were seen
    alike know each other (`shared.vlm.marks`); None: they are like no others.
    """

    features: Tensor  # [visual tokens, hidden]
    extras: Any
    marks: Tensor | None = None  # [visual tokens, 3]

    def mixed(self, tokens: Sequence[int], mixing: Tensor) -> VisualTokens:  # mixing: [tokens, visual tokens]
        """The same with each of `tokens` replaced by a weighted sum of all; extras that are features go along."""

        def mix(level: Tensor) -> Tensor:
            weights = mixing.to(level.device, level.dtype)
            return level.index_copy(0, torch.tensor(tokens, dtype=torch.long, device=level.device), weights @ level)

        extras = tuple(mix(level) for level in self.extras) if isinstance(self.extras, tuple) else self.extras
        mixed = None if self.marks is None else marks.of_mixed(self.marks, tokens, mixing)
        return VisualTokens(mix(self.features), extras, mixed)


class Decoder(Protocol):
    """One answer's KV. Once the prompt is taken, it holds output tokens `[0, length)`."""

    @property
    def prompt_left(self) -> int:
        """How many tokens of the prompt have not been taken yet."""

    @property
    def length(self) -> int:
        """How many output tokens are held."""

    @property
    def held(self) -> int:
        """How many tokens have been taken, of prompt and output."""

    def truncate(self, length: int) -> None:
        """Forget the output tokens from `length` on, 0 <= length <= self.length."""

    def fork(self) -> Decoder:
        """Another decoder that holds the same, once the prompt is taken; from now on neither sees the other."""

    def keep(self, path: Sequence[int]) -> None:
        """Of the tree that the last step took, hold these places alone, the first a root, each the parent of the next.

        It comes right after that step: until then the decoder can do nothing else. Raises ValueError.
        """

    def common(self, giver: Decoder) -> int:
        """How many tokens at the beginning of its prompt and output tokens are those that `giver` holds.

        `giver` is of the same model. Pictures are the same if they are so by content and in the same place.
        """

    def adopt(self, giver: Decoder) -> int:
        """Before anything is taken: take over what is common, but for the prompt's last token. How many tokens it is.

        They count as taken. `giver` stays as it is, and from now on neither sees the other.
        """

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it keeps from others."""


@dataclass(frozen=True)
class Block:
    """What one decoder takes in a step: `prompt` further tokens of its prompt, then output tokens `ids`.

    Output tokens come behind the whole prompt; the end of it may be in the same block. `parents`: where `ids` are a
    tree, the place among them of the one that each follows, an earlier one; -1: it follows what was there before.
    None: each follows the one before it.
    """

    decoder: Decoder
    prompt: int = 0
    ids: Sequence[int] = ()
    parents: Sequence[int] | None = None

    @property
    def rows(self) -> int:
        """How many rows of logits it yields: after the prompt, if it ends here, and after each of `ids`."""
        return (0 < self.prompt == self.decoder.prompt_left) + len(self.ids)


def check_blocks(blocks: Sequence[Block]) -> None:
    """Raise ValueError unless a step can take `blocks`."""
    if len({id(block.decoder) for block in blocks}) < len(blocks):
        raise ValueError("a decoder takes one block in a step")
    for block in blocks:
        left = block.decoder.prompt_left
        if not block.prompt and not block.ids:
            raise ValueError("a block needs at least one token")
        if not 0 <= block.prompt <= left:
            raise ValueError(f"cannot take {block.prompt} of the {left} prompt tokens left")
        if block.ids and block.prompt < left:
            raise ValueError(f"{left - block.prompt} prompt tokens come before any output token")
        if block.parents is not None:
            check_tree(block.parents, len(block.ids))


def check_tree(parents: Sequence[int], count: int) -> None:
    """Raise ValueError unless `parents` are those of a tree of `count` tokens."""
    if len(parents) != count:
        raise ValueError(f"{len(parents)} parents for {count} tokens")
    for place, parent in enumerate(parents):
        if not -1 <= parent < place:
            raise ValueError(f"the parent of token {place} is {parent}: must be an earlier one, or -1")


def check_path(parents: Sequence[int] | None, path: Sequence[int]) -> None:
    """Raise ValueError unless a step has taken a tree with these `parents` and `path` leads down from its root."""
    if parents is None:
        raise ValueError("the last step took no tree")
    for before, place in zip((-1, *path), path, strict=False):
        if not 0 <= place < len(parents) or parents[place] != before:
            raise ValueError(f"token {place} does not follow {before} in the tree")


class Tokenizer(Protocol):
    """Text and ids of one vocabulary."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special tokens left out; U+FFFD where a character is not complete."""

    def text_ids(self, text: str) -> list[int]:
        """The ids of plain text by itself, never a special one."""


class Vlm(Protocol):
    """A vision-language model."""

    info: ModelInfo
    tokenizer: Tokenizer

    def fingerprint(self) -> bytes:
        """What tells this model from each that could say another text, whatever both are called (`fingerprint`).

        Configuration, weights, dtype, quantisation, image processor, tokenizer, chat template and generation config
        count. Reads every weight. Raises ModelError.
        """

    def prepare(self, messages: Sequence[Message], images: Sequence[Image.Image]) -> Prompt:
        """Apply the model's own chat template and image processor. Raises InvalidValue, PromptTooLong."""

    def see(self, prompt: Prompt) -> VisualTokens:
        """Run the vision tower over every picture of the prompt."""

    def places(self, prompt: Prompt) -> Places:
        """Which picture each visual token of the prompt belongs to, and where it sits there. Runs no forward."""

    def embed(self, ids: Sequence[int]) -> Tensor:
        """What enters the first layer for text, as `VisualTokens.features` does for what is seen: [ids, hidden]."""

    def gaze(self, prompt: Prompt) -> tuple[VisualTokens, Gaze]:
        """See, and tell how the vision tower attended. Raises Unsupported where a family cannot."""

    def first_update(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
        """How far the first layer moves each visual token in the whole prompt: [visual tokens]. Runs that layer."""

    def attention(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
        """How the text behind the pictures attends to each visual token, in the mean of layers, heads and text.

        [visual tokens]. Runs a forward over the prompt.
        """

    def begin(self, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None = None) -> Decoder:
        """A decoder that has taken nothing yet. Runs no forward.

        `kept`: sorted indices into `visual`, the visual tokens that enter the model, at their original positions;
        None: all. The others are no tokens of the decoder's prompt.
        """

    def step(self, blocks: Sequence[Block]) -> list[Tensor]:
        """One forward over all blocks, each of another decoder of this model.

        For each block the logits after the prompt, if the block ends it, and after each of its ids: [n, rows].
        """
