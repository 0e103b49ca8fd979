"""Qwen2.5-VL: a picture keeps its sides, rounded to merged patches; M-RoPE gives tokens three positions each.

Text goes on after the longer side of a picture, not after its number of tokens. Every forward is told its positions:
the model's own `rope_deltas` is what another prompt left there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from shared.vlm.family import Family, Pixels, Shown
from shared.vlm.gaze import late
from shared.vlm.packed_decoder import Tokens
from shared.vlm.parts import Parts
from shared.vlm.places import Tile


class Qwen25Vl(Family):
    """A `Qwen2_5_VLForConditionalGeneration`."""

    model_class = "Qwen2_5_VLForConditionalGeneration"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._merge: int = self.config.vision_config.spatial_merge_size  # patches on a side of a visual token

    @property
    def placeholder_ids(self) -> frozenset[int]:
        """Those of pictures and of video."""
        return frozenset({self.image_id, self.config.video_token_id})

    def show(self, picture: Image.Image, pictures: int) -> Shown:
        """As a family does: the merged patches, row by row."""
        del pictures
        pixels = self.process(images=[picture], return_tensors="pt")
        grid: Tensor = pixels["image_grid_thw"]
        _, rows, columns = grid[0].tolist()
        tile = Tile(rows // self._merge, columns // self._merge)
        return Shown(self.image, ((tile,),), {"pixel_values": pixels["pixel_values"], "image_grid_thw": grid})

    def watched(self) -> Any:
        """As a family does: of the layers that see the whole picture the last, but for the very last layer."""
        blocks, whole = self.model.model.visual.blocks, self.config.vision_config.fullatt_block_indexes
        before = [index for index in whole if index < len(blocks) - 1]
        return (blocks[max(before or whole)] if whole else late(blocks)).attn

    def gathered(self, patches: Tensor, pixels: Pixels) -> Tensor:
        """As a family does: window by window, until the tower puts its tokens in order."""
        from transformers.vision_utils import get_vision_window_index  # seconds to import

        vision = self.config.vision_config
        order, _ = get_vision_window_index(pixels["image_grid_thw"], self._merge, vision.window_size, vision.patch_size)
        return merged(patches, self._merge)[order.argsort().to(patches.device)]

    def positions(self, ids: Sequence[int], pixels: Pixels) -> Tensor:
        """Time, row and column: [3, tokens]."""
        sequence = torch.tensor([ids])
        positions: Tensor
        positions, _ = self.model.model.get_rope_index(
            sequence,
            mm_token_type_ids=(sequence == self.image_id).int(),
            image_grid_thw=pixels.get("image_grid_thw"),
        )
        return positions[:, 0]

    def text_inputs(self, row: Tokens, device: torch.device) -> dict[str, Any]:
        """As a family does."""
        return {"position_ids": row.positions.expand(3, -1)[:, None].to(device)}


def merged(patches: Tensor, side: int) -> Tensor:
    """The mean patch of each token, whose `side` times `side` patches are in a row: [patches or tokens, channels]."""
    return patches.view(-1, side**2, patches.shape[-1]).mean(1)
