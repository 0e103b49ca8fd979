"""Qwen3-VL: as Qwen2.5-VL, and deepstack features that are added behind the first text layers.

Visual tokens left out take their deepstack features with them. The model's own forward would lose those of given
embeddings, so rows go to its language model itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from shared.vlm.families.qwen2_5_vl import Qwen25Vl
from shared.vlm.family import Pixels, flat
from shared.vlm.gaze import Gaze, Watched
from shared.vlm.packed_decoder import Tokens


class Qwen3Vl(Qwen25Vl):
    """A `Qwen3VLForConditionalGeneration`."""

    model_class = "Qwen3VLForConditionalGeneration"

    def see(self, pixels: Pixels) -> tuple[Tensor, ...]:
        """As a family does; behind the features those of deepstack, one for each layer."""
        seen = self.model.get_image_features(**pixels, return_dict=True)
        return (flat(seen.pooler_output), *(flat(layer) for layer in seen.deepstack_features))

    @contextmanager
    def watched(self) -> Iterator[Watched]:
        """As a family does: the last layer but one, where VisionZip looks."""
        from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision  # seconds to import

        blocks = self.model.model.visual.blocks
        watched = Watched()

        def watch(module: Any, arguments: tuple[Tensor, ...], given: dict[str, Any]) -> None:
            query, key, _ = module.qkv(arguments[0]).unflatten(-1, (3, module.num_heads, -1)).unbind(1)
            turned = apply_rotary_pos_emb_vision(query, key, *given["position_embeddings"])
            lengths = given["cu_seqlens"].diff().tolist()
            watched.found.append(Gaze.of(turned, lengths, module.scaling, self._merge**2))

        handle = blocks[max(0, len(blocks) - 2)].attn.register_forward_pre_hook(watch, with_kwargs=True)
        try:
            yield watched
        finally:
            handle.remove()

    def text_inputs(self, row: Tokens, device: torch.device) -> dict[str, Any]:
        """As a family does."""
        inputs = super().text_inputs(row, device)
        if row.features:
            inputs |= {"visual_pos_masks": row.visual[None].to(device), "deepstack_visual_embeds": row.features[1:]}
        return inputs
