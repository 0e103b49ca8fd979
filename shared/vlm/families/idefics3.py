"""Idefics3 and SmolVLM: a picture in rows of square tiles, each behind a text that says where it is, then whole.

The texts between the tiles are tokens of the prompt like any other. A picture that is not split has none of them.
"""

from __future__ import annotations

from typing import Any

from PIL import Image
from torch import Tensor

from shared.vlm.family import Family, Pixels, Shown, flat, square_side
from shared.vlm.gaze import late, squares
from shared.vlm.parts import Parts
from shared.vlm.places import Tile, tiled

_AROUND, _GLOBAL = "<fake_token_around_image>", "<global-img>"


class Idefics3(Family):
    """An `Idefics3ForConditionalGeneration`."""

    model_class = "Idefics3ForConditionalGeneration"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        vision = self.config.vision_config
        self._across = vision.image_size // vision.patch_size
        self._side = square_side(parts, self._across, 1 / self.config.scale_factor)
        self._around = getattr(parts.tokenizer, "fake_image_token", _AROUND)
        self._global = getattr(parts.tokenizer, "global_image_token", _GLOBAL)

    def show(self, picture: Image.Image, pictures: int) -> Shown:
        """As a family does."""
        del pictures
        seen = self.process(images=[picture], return_row_col_info=True, return_tensors="pt")
        rows, columns = int(seen["rows"][0][0]), int(seen["cols"][0][0])
        whole = Tile(self._side, self._side)
        lines = [
            "".join(f"{self._around}<row_{row + 1}_col_{column + 1}>{self.image}" for column in range(columns)) + "\n"
            for row in range(rows)
        ]
        text = "".join(lines) + ("\n" if rows else "") + f"{self._around}{self._global}{self.image}{self._around}"
        runs = tuple((tile,) for tile in (*tiled(rows, columns, self._side), whole))
        names = ("pixel_values", "pixel_attention_mask")
        return Shown(text, runs, {name: seen[name][0] for name in names if name in seen})

    def see(self, pixels: Pixels) -> tuple[Tensor, ...]:
        """As a family does: all tiles are one sample."""
        batch = {name: value[None] for name, value in pixels.items()}
        return (flat(self.model.get_image_features(**batch, return_dict=True).pooler_output),)

    def watched(self) -> Any:
        """As a family does."""
        return late(self.model.model.vision_model.encoder.layers).self_attn

    def gathered(self, patches: Tensor, pixels: Pixels) -> Tensor:
        """As a family does."""
        del pixels
        return squares(patches, self._across, self._side)


class SmolVlm(Idefics3):
    """A `SmolVLMForConditionalGeneration`."""

    model_class = "SmolVLMForConditionalGeneration"
