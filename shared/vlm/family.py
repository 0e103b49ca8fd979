"""What one family of models does in its own way; all the rest of the port is the same for all (`hub_vlm`).

A family is a class of one file in `families`. It shows a picture to its model exactly as the stock processor of
transformers would: the same ids in the prompt, the same pixels, the same positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from shared.errors import ModelError, Unsupported
from shared.vlm.packed_decoder import Tokens
from shared.vlm.parts import Parts
from shared.vlm.places import Tile

Pixels = Mapping[str, Tensor]


@dataclass(frozen=True)
class Shown:
    """One picture as a model is shown it.

    `text`: what stands in the prompt where the template marks a picture, with one image token for each run of visual
    tokens. `runs`: for each run the tiles that its tokens come from. `pixels`: what the vision tower takes, by the
    names that the model gives; those of several pictures are joined on the first axis.
    """

    text: str
    runs: tuple[tuple[Tile, ...], ...]
    pixels: Pixels

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Those of all runs."""
        return tuple(tile for run in self.runs for tile in run)

    @property
    def manner(self) -> object:
        """What besides the picture decides what the vision tower takes: a family may show it in several ways."""
        return self.text, self.runs, sorted((name, tuple(pixels.shape)) for name, pixels in self.pixels.items())


class Family(ABC):
    """`image_id`: the token that stands for a visual token. `mark`: what a chat template puts where a picture goes."""

    model_class: ClassVar[str]  # its name in transformers
    # Whether the visual tokens of a run see each other whatever their order: a run then enters the model in one piece.
    runs_see_themselves: ClassVar[bool] = False
    class_token: ClassVar[bool] = False  # whether the first patch in the layers of the vision tower is none

    def __init__(self, parts: Parts) -> None:
        """Raises ModelError."""
        self.model = parts.model
        self.config = parts.model.config
        self.process = parts.image_processor
        self.image_id: int = self.config.image_token_id
        self.image: str = token_text(parts, self.image_id)
        self.mark = self.image

    @abstractmethod
    def show(self, picture: Image.Image, pictures: int) -> Shown:
        """One of the `pictures` of a prompt. Raises ValueError if the image processor refuses it."""

    @property
    def placeholder_ids(self) -> frozenset[int]:
        """Ids that stand for pictures or video in a prompt, and never are a token of an answer."""
        return frozenset({self.image_id})

    def see(self, pixels: Pixels) -> tuple[Tensor, ...]:
        """The features of all visual tokens, and those that go into deeper layers, each [visual tokens, hidden]."""
        return (flat(self.model.get_image_features(**pixels, return_dict=True).pooler_output),)

    def watched(self) -> Any:
        """The attention in the vision tower by which its gaze is judged. Raises Unsupported where a family cannot."""
        raise Unsupported(f"the family {self.config.model_type} does not tell how its vision tower attends")

    def gathered(self, patches: Tensor, pixels: Pixels) -> Tensor:
        """For each visual token the mean over its patches: [patches, channels] -> [visual tokens, channels].

        `patches`: those of all pictures, in the order that they have in the layer that is `watched`.
        """
        raise NotImplementedError  # whoever tells what is watched tells this too

    def positions(self, ids: Sequence[int], pixels: Pixels) -> Tensor:
        """Where each token of a prompt stands: [axes, tokens]."""
        del pixels
        return torch.arange(len(ids))[None]

    def text_inputs(self, row: Tokens, device: torch.device) -> dict[str, Any]:
        """What the language model takes beside the embeddings of a row."""
        return {"position_ids": row.positions.to(device)}


def flat(pooled: Tensor | Sequence[Tensor]) -> Tensor:
    """[visual tokens, hidden] of what a vision tower gives, by picture or by tile."""
    return pooled.flatten(0, -2) if isinstance(pooled, Tensor) else torch.cat(list(pooled))


def token_text(parts: Parts, token: int) -> str:
    """How the tokenizer spells a special token. Raises ModelError."""
    text = parts.tokenizer.convert_ids_to_tokens(token)
    if not isinstance(text, str):
        raise ModelError(f"{parts.name}: its tokenizer has no token {token}, which its config says stands for pictures")
    return text


def square_side(parts: Parts, patches: int, shrink: float) -> int:
    """Visual tokens on a side of a tile, `shrink` times its patches on a side. Raises ModelError."""
    side = round(patches * shrink)
    if side < 1 or abs(side - patches * shrink) > 1e-6:
        raise ModelError(f"{parts.name}: {patches} patches on a side of a tile do not become whole visual tokens")
    return side
