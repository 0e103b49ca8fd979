"""A decoded image of any mode becomes RGB with 8 bits, in strips: beside the two images little memory is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from shared.media.orientation import UPRIGHT

_STRIP = 2**18  # pixels
_WHITE = "white"
# Bits in which grey values wider than 8 bits are written. Cameras and scanners write 10 to 14 of them into 16.
_DEPTHS = (8, 10, 12, 14, 16)


def as_rgb(image: Image.Image, orientation: int = 1) -> Image.Image:
    """`image` upright, on white where it is transparent. One that is RGB already is returned as it is.

    Grey values wider than 8 bits are scaled: white is the largest value of the fewest bits that hold all of them; of
    fractions it is 1, or their largest.
    """
    if image.mode != "RGB" or image.has_transparency_data:
        image = _converted(image, _by_strip(image))
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def bytes_per_pixel(mode: str) -> int:
    """What a pixel of an image of `mode` takes in memory."""
    return 1 if mode in ("1", "L", "P") else 2 if mode.startswith("I;16") else 4


def _converted(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    whole = Image.new("RGB", image.size)
    for box in strips(image.size):
        whole.paste(convert(image.crop(box)), box)
    return whole


def _by_strip(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    if image.mode.startswith("I") or image.mode == "F":
        white = _white(image)
        return lambda strip: _grey(strip, white, image.info.get("transparency"))
    return _on_white if image.has_transparency_data else lambda strip: strip.convert("RGB")


def _on_white(strip: Image.Image) -> Image.Image:
    layer = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer).convert("RGB")


def strips(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """The boxes, of little memory each, that an image of `size` is made of: left, top, right, bottom."""
    width, height = size
    rows, columns = max(1, _STRIP // width), min(width, _STRIP)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield left, top, min(width, left + columns), min(height, top + rows)


def _values(strip: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    with np.errstate(invalid="ignore"):  # NaN that signal
        return np.nan_to_num(np.asarray(strip).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _white(image: Image.Image) -> float:
    largest = max(float(_values(image.crop(box)).max()) for box in strips(image.size))
    if image.mode == "F":
        return max(1.0, largest)
    return next((float(2**bits - 1) for bits in _DEPTHS if largest < 2**bits), largest)


def _grey(strip: Image.Image, white: float, transparent: object) -> Image.Image:
    values = _values(strip)
    grey = np.rint(values.clip(0.0) * (255.0 / white)).astype(np.uint8)
    if isinstance(transparent, int | float):
        grey[values == transparent] = 255
    return Image.fromarray(grey)
