"""InternVL, as transformers has it: a picture in up to a dozen square tiles, and whole behind them if they are several.

The tiles are chosen by the picture's aspect; patches become tokens four to one (pixel shuffle).
"""

from __future__ import annotations

from typing import Any

from PIL import Image
from torch import Tensor

from shared.vlm.family import Family, Pixels, Shown, square_side, token_text
from shared.vlm.gaze import late, squares
from shared.vlm.parts import Parts
from shared.vlm.places import Tile, tiled


class InternVl(Family):
    """An `InternVLForConditionalGeneration`."""

    model_class = "InternVLForConditionalGeneration"
    class_token = True

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        vision = self.config.vision_config
        self._across: int = vision.image_size[0] // vision.patch_size[0]
        self._side = square_side(parts, self._across, self.config.downsample_ratio)
        self._first = token_text(parts, parts.tokenizer.start_image_token_id)
        self._last = token_text(parts, parts.tokenizer.end_image_token_id)

    def show(self, picture: Image.Image, pictures: int) -> Shown:
        """As a family does: its processor cuts into tiles, whatever the image processor's own config says."""
        del pictures
        pixels = self.process(images=[picture], crop_to_patches=True, return_tensors="pt")["pixel_values"]
        tiles: tuple[Tile, ...] = tiled(*self._cut(picture), self._side)
        if len(tiles) > 1:
            tiles = (*tiles, Tile(self._side, self._side))
        return Shown(f"{self._first}{self.image}{self._last}", (tiles,), {"pixel_values": pixels})

    def watched(self) -> Any:
        """As a family does."""
        return late(self.model.model.vision_tower.encoder.layer).attention

    def gathered(self, patches: Tensor, pixels: Pixels) -> Tensor:
        """As a family does."""
        del pixels
        return squares(patches, self._across, self._side)

    def _cut(self, picture: Image.Image) -> tuple[int, int]:
        """Rows and columns of tiles."""
        from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

        size = self.process.size
        if self.process.max_patches <= 1:
            return 1, 1
        columns, rows = get_optimal_tiled_canvas(
            (picture.height, picture.width),
            (size["height"], size["width"]),
            self.process.min_patches,
            self.process.max_patches,
        )
        return rows, columns
