"""Qwen3-VL: as Qwen2.5-VL, and deepstack features that are added behind the first text layers.

Visual tokens left out take their deepstack features with them. The model's own forward would lose those of given
embeddings, so rows go to its language model itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from shared.vlm.families.qwen2_5_vl import Qwen25Vl, merged
from shared.vlm.family import Pixels, flat
from shared.vlm.gaze import late
from shared.vlm.packed_decoder import Tokens


class Qwen3Vl(Qwen25Vl):
    """A `Qwen3VLForConditionalGeneration`."""

    model_class = "Qwen3VLForConditionalGeneration"

    def see(self, pixels: Pixels) -> tuple[Tensor, ...]:
        """As a family does; behind the features those of deepstack, one for each layer."""
        seen = self.model.get_image_features(**pixels, return_dict=True)
        return (flat(seen.pooler_output), *(flat(layer) for layer in seen.deepstack_features))

    def watched(self) -> Any:
        """As a family does."""
        return late(self.model.model.visual.blocks).attn

    def gathered(self, patches: Tensor, pixels: Pixels) -> Tensor:
        """As a family does."""
        del pixels
        return merged(patches, self._merge)

    def text_inputs(self, row: Tokens, device: torch.device) -> dict[str, Any]:
        """As a family does."""
        inputs = super().text_inputs(row, device)
        if row.features:
            inputs |= {"visual_pos_masks": row.visual[None].to(device), "deepstack_visual_embeds": row.features[1:]}
        return inputs
