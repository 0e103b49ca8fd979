"""LLaVA-OneVision: a lone picture whole, then in tiles without their padding and with a token at the end of each row.

Several pictures in a prompt are each one square, padded, and one token more.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from shared.vlm.family import Family, Pixels, Shown, flat
from shared.vlm.gaze import late
from shared.vlm.parts import Parts
from shared.vlm.places import Tile

_END = Tile(1, 1, (1.0, 0.0, 1.0, 1.0))  # the one behind a square


class LlavaOnevision(Family):
    """A `LlavaOnevisionForConditionalGeneration`."""

    model_class = "LlavaOnevisionForConditionalGeneration"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        vision = self.config.vision_config
        self._side: int = vision.image_size // vision.patch_size

    @property
    def placeholder_ids(self) -> frozenset[int]:
        """Those of pictures and of video."""
        return frozenset({self.image_id, self.config.video_token_id})

    def show(self, picture: Image.Image, pictures: int) -> Shown:
        """As a family does."""
        seen = self.process(images=[[picture] * min(pictures, 2)], return_tensors="pt")
        tiles = self._tiles(picture) if pictures == 1 else (self._square(picture), _END)
        # Beside a second picture the processor only pads, whatever that shows.
        pixels = {"pixel_values": seen["pixel_values"][0], "image_sizes": seen["image_sizes"][:1]}
        return Shown(self.image, (tiles,), pixels)

    def see(self, pixels: Pixels) -> tuple[Tensor, ...]:
        """As a family does: it is told how many pictures there are, which decides whether they come in tiles."""
        count = [len(pixels["image_sizes"])]
        seen = self.model.get_image_features(**pixels, batch_num_images=count, return_dict=True)
        return (flat(seen.pooler_output),)

    def watched(self) -> Any:
        """As a family does."""
        return late(self.model.model.vision_tower.encoder.layers).self_attn

    def gathered(self, patches: Tensor, pixels: Pixels) -> Tensor:
        """As a family does: the model packs them as it does features. The end of a row has none, and gets nothing."""
        tiles = patches.view(-1, self._side**2, patches.shape[-1])
        sizes = pixels["image_sizes"]
        packed, _ = self.model.model.pack_image_features(
            torch.split_with_sizes(tiles, [len(tiles) // len(sizes)] * len(sizes)),
            sizes,
            image_newline=patches.new_zeros(patches.shape[-1]),
            vision_aspect_ratio=self.config.vision_aspect_ratio,
        )
        return flat(packed)

    def _square(self, picture: Image.Image) -> Tile:
        """Padded on both sides of the shorter one."""
        across, down = (max(picture.size) / side for side in picture.size)
        within = ((1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2)
        return Tile(self._side, self._side, within)

    def _tiles(self, picture: Image.Image) -> tuple[Tile, ...]:
        """The picture whole, and all its tiles as one."""
        rows, columns = self._unpadded(picture)
        most = int(self.config.vision_aspect_ratio.removeprefix("anyres_max_"))
        ratio = math.sqrt(rows * columns / (most * self._side**2))
        if ratio > 1.1:
            rows, columns = int(rows // ratio), int(columns // ratio)
        return Tile(self._side, self._side), Tile(rows, columns, row_ends=True)

    def _unpadded(self, picture: Image.Image) -> tuple[int, int]:
        """Rows and columns of patches that hold more than padding, as the model counts them."""
        from transformers.image_processing_utils import select_best_resolution  # seconds to import

        width, height = picture.size
        best: Any = select_best_resolution([height, width], self.config.image_grid_pinpoints)
        rows, columns = (side // self.config.vision_config.image_size * self._side for side in best)
        if width / height > columns / rows:
            kept = int(round(height * (columns / width), 7))
            return rows - (rows - kept) // 2 * 2, columns
        kept = int(round(width * (rows / height), 7))
        return rows, columns - (columns - kept) // 2 * 2
