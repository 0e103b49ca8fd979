"""Qwen3-VL behind the port: M-RoPE positions on three axes, and deepstack features added in the first text layers.

Visual tokens left out take their deepstack features with them; those kept stay at the positions of the full prompt.
Every forward is told its positions: the model's own `rope_deltas` is what another prompt left there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from shared.errors import ImageError
from shared.speculation.request import Message
from shared.vlm.cache_decoder import CacheDecoder
from shared.vlm.chat import check_room, pictures_in_order
from shared.vlm.chat_tokenizer import ChatTokenizer
from shared.vlm.parts import Parts
from shared.vlm.port import Prompt, Tokenizer, VisualTokens


@dataclass(frozen=True)
class _Pixels:
    """`positions`: those of the whole prompt, known once its pictures' sizes are."""

    patches: Tensor  # [patches of all pictures, channels x frames x height x width of a patch]
    grid: Tensor  # [pictures, 3]: frames, rows and columns of patches
    positions: Tensor  # [3, prompt]: time, row and column


class Qwen3Vl:
    """A `Qwen3VLForConditionalGeneration` as a `Vlm`."""

    def __init__(self, parts: Parts) -> None:
        self._model = parts.model
        self._image_processor = parts.image_processor
        config = parts.model.config
        self._image_id: int = config.image_token_id
        self._merged: int = config.vision_config.spatial_merge_size**2  # patches in a visual token
        self._chat = ChatTokenizer(parts.tokenizer, self._image_id)
        self.tokenizer: Tokenizer = self._chat
        self.info = parts.info(frozenset({self._image_id, config.video_token_id}), self._chat.prints())

    def prepare(self, messages: Sequence[Message], images: Sequence[Image.Image]) -> Prompt:
        """As the port says. Raises InvalidValue, ImageError, PromptTooLong."""
        pictures = pictures_in_order(messages, images)
        chat = self._chat.encode(messages)
        patches, grid = self._patches(pictures)
        visual_tokens = tuple(int(count) // self._merged for count in grid.prod(-1))
        places = iter(visual_tokens)
        ids = [i for token in chat for i in ([token] * next(places) if token == self._image_id else [token])]
        check_room(len(ids), sum(visual_tokens), self.info.context_length)
        return Prompt(tuple(ids), visual_tokens, _Pixels(patches, grid, self._positions(ids, grid)))

    def see(self, prompt: Prompt) -> VisualTokens:
        """As the port says. The extras are the deepstack features, one [visual tokens, hidden] for each layer."""
        pixels: _Pixels = prompt.pixels
        if not prompt.visual_tokens:
            return VisualTokens(torch.zeros(0, self._model.config.text_config.hidden_size), ())
        with torch.inference_mode():
            seen = self._model.get_image_features(
                pixels.patches.to(self._model.device), pixels.grid.to(self._model.device), return_dict=True
            )
        extras = tuple(torch.cat(layer).clone() for layer in seen.deepstack_features)
        return VisualTokens(torch.cat(seen.pooler_output).clone(), extras)

    def prefill(
        self, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None = None, ids: Sequence[int] = ()
    ) -> tuple[CacheDecoder, Tensor]:
        """As the port says."""
        from transformers import DynamicCache  # seconds to import, and only models need it

        sequence = torch.tensor(prompt.ids)
        positions: Tensor = prompt.pixels.positions
        first = int(positions.max()) + 1
        if kept is not None:
            enters = _entering(sequence == self._image_id, kept)
            sequence, positions = sequence[enters], positions[:, enters]
            index = torch.tensor(kept, dtype=torch.long, device=visual.features.device)
            visual = VisualTokens(visual.features[index], tuple(layer[index] for layer in visual.extras))
        answer = torch.arange(first, first + len(ids)).expand(3, -1)
        cache = DynamicCache(config=self._model.config)
        logits = self._forward(
            torch.cat([sequence, torch.tensor(ids, dtype=torch.long)]),
            torch.cat([positions, answer], dim=1),
            cache,
            rows=1 + len(ids),
            visual=visual if len(visual.features) else None,
        )
        return CacheDecoder(self._forward, cache, first, len(ids)), logits

    def _forward(
        self, ids: Tensor, positions: Tensor, cache: Any, rows: int | None = None, visual: VisualTokens | None = None
    ) -> Tensor:
        """The logits after the last `rows` (None: all) of `ids`: [rows, vocabulary].

        `positions`: [n] where the three axes agree, else [3, n].
        """
        device = self._model.device
        with torch.inference_mode():
            output = self._model(
                input_ids=ids[None].to(device),
                position_ids=positions.expand(3, -1)[:, None].to(device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=rows or len(ids),
                mm_encoder_outputs={"image": _encoder_output(visual)} if visual else None,
            )
        # A copy made outside of inference mode is an ordinary tensor: a caller may write to it.
        logits: Tensor = output.logits[0].to(torch.float32, copy=True)
        return logits

    def _patches(self, pictures: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
        """The patches of all pictures and the grid of each. Raises ImageError."""
        patches, grids = [], [torch.zeros(0, 3, dtype=torch.long)]
        for number, picture in enumerate(pictures):
            try:
                features = self._image_processor(images=[picture], return_tensors="pt")
            except ValueError as error:
                rule = f"the model's image processor refuses it ({error})"
                raise ImageError(f"picture {number}", picture.size, rule) from error
            patches.append(features["pixel_values"])
            grids.append(features["image_grid_thw"])
        return torch.cat(patches) if patches else torch.zeros(0), torch.cat(grids)

    def _positions(self, ids: Sequence[int], grid: Tensor) -> Tensor:
        sequence = torch.tensor([ids])
        positions: Tensor
        positions, _ = self._model.model.get_rope_index(
            sequence, mm_token_type_ids=(sequence == self._image_id).int(), image_grid_thw=grid
        )
        return positions[:, 0]


def _entering(placeholders: Tensor, kept: Sequence[int]) -> Tensor:
    """Which tokens of a prompt enter the model: all its text, and the `kept` of its visual tokens."""
    enters = ~placeholders
    enters[placeholders.nonzero()[:, 0][torch.tensor(kept, dtype=torch.long)]] = True
    return enters


def _encoder_output(visual: VisualTokens) -> Any:
    """Features in the form of the vision tower's own output: a tuple over pictures, here as if of one."""
    from transformers.models.qwen3_vl.modeling_qwen3_vl import (  # as above
        BaseModelOutputWithDeepstackFeatures,
    )

    return BaseModelOutputWithDeepstackFeatures(
        pooler_output=(visual.features,), deepstack_features=[(layer,) for layer in visual.extras]
    )
