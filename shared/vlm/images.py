"""Bytes of a stranger become an upright RGB picture, or an ImageError that says why not.

The size is judged from the header, before a pixel is decoded; a file cut short is found by decoding all of it.
It changes nothing outside itself, Pillow's limits included: those stand beside `max_pixels`.
"""

from __future__ import annotations

import io
from types import MappingProxyType

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from shared.errors import ImageError

# EXIF 2.32, tag 0x0112: what turns the stored rows and columns into the picture as it was seen. 1: nothing.
_UPRIGHT = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)
_POSTSCRIPT = "EPS"  # Pillow hands its bytes to another program: nothing that a stranger may start here
_FIRST_BYTES = 8  # enough to name what a file is not


def open_image(data: bytes, max_pixels: int, name: str) -> Image.Image:
    """The picture in `data`: upright, on white where it was transparent, its first frame, RGB with 8 bits.

    `name` is what a person calls it. Raises ImageError.
    """
    if not data:
        raise ImageError(name, data, "an empty file is no picture")
    picture = _read_header(data, max_pixels, name)
    try:
        picture.load()
        _check_size(picture, max_pixels, name)  # an icon tells its true size only now
        return _as_rgb(picture).transpose(_UPRIGHT[turn]) if (turn := _orientation(picture)) else _as_rgb(picture)
    except ImageError:
        raise
    except Exception as error:  # a decoder fed with a stranger's bytes may raise whatever there is
        raise ImageError(name, picture.format, f"the file is cut short or broken ({error})") from error


def _read_header(data: bytes, max_pixels: int, name: str) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data))
    except UnidentifiedImageError as error:
        raise ImageError(name, data[:_FIRST_BYTES], "no kind of picture known here begins with these bytes") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
        raise ImageError(name, data[:_FIRST_BYTES], f"the picture has more than {limit} pixels, the limit") from error
    except Exception as error:  # as above
        raise ImageError(name, data[:_FIRST_BYTES], f"its header is broken ({error})") from error
    if picture.format == _POSTSCRIPT:
        raise ImageError(name, _POSTSCRIPT, "PostScript is a program and is not run here")
    _check_size(picture, max_pixels, name)
    return picture


def _check_size(picture: Image.Image, max_pixels: int, name: str) -> None:
    width, height = picture.size
    if width < 1 or height < 1:
        raise ImageError(name, picture.size, "a picture needs at least one pixel on each side")
    if width * height > max_pixels:
        raise ImageError(name, picture.size, f"its {width * height} pixels are more than {max_pixels}, the limit")


def _orientation(picture: Image.Image) -> int | None:
    """The EXIF orientation if it asks for a turn. EXIF that cannot be read turns nothing: the pixels are sound."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # as above
        return None
    return orientation if orientation in _UPRIGHT else None


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _to_eight_bits(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    """Grey values wider than 8 bits, scaled: `convert` would clip them.

    White is 65535, the depth such files are written with, or 1 for fractions; where a value goes beyond, the
    picture's own largest.
    """
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    depth = 1.0 if picture.mode == "F" else 65535.0
    white = max(depth, float(values.max()))
    grey = Image.fromarray(np.rint(values.clip(0.0) * (255.0 / white)).astype(np.uint8))
    transparent = picture.info.get("transparency")
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey
