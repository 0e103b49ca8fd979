"""Gemma 3: a picture is one square of tokens, which see each other whatever their order; local layers see a window.

Text embeddings are scaled inside the embedding and features are not. A window counts places in the full prompt, also
where visual tokens are left out of it.
"""

from __future__ import annotations

import math
from typing import Any

from PIL import Image
from torch import Tensor

from shared.errors import ModelError
from shared.vlm.family import Family, Pixels, Shown, token_text
from shared.vlm.gaze import late, squares
from shared.vlm.parts import Parts
from shared.vlm.places import Tile


class Gemma3(Family):
    """A `Gemma3ForConditionalGeneration`."""

    model_class = "Gemma3ForConditionalGeneration"
    runs_see_themselves = True

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._side = math.isqrt(self.config.mm_tokens_per_image)
        self.mark = token_text(parts, self.config.boi_token_index)
        self._last = token_text(parts, self.config.eoi_token_index)
        if self.config.text_config.use_bidirectional_attention:
            raise ModelError(f"{parts.name}: its text is read in both directions, so it cannot go on token by token")

    def show(self, picture: Image.Image, pictures: int) -> Shown:
        """As a family does: without crops, which its processor leaves out unless asked."""
        del pictures
        pixels = self.process(images=[picture], do_pan_and_scan=False, return_tensors="pt")["pixel_values"]
        text = f"\n\n{self.mark}{self.image}{self._last}\n\n"
        return Shown(text, ((Tile(self._side, self._side),),), {"pixel_values": pixels})

    def watched(self) -> Any:
        """As a family does."""
        return late(self.model.model.vision_tower.encoder.layers).self_attn

    def gathered(self, patches: Tensor, pixels: Pixels) -> Tensor:
        """As a family does: its projector takes means too."""
        del pixels
        vision = self.config.vision_config
        return squares(patches, vision.image_size // vision.patch_size, self._side)
