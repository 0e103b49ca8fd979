"""Bytes of a stranger become an upright RGB image, or an ImageError that says why not.

The one place of this project where a decoder meets foreign bytes. Guarantees: only the decoders of `Kind` are asked,
each for its own kind alone, so that no file starts a program or hides another; size and cost are known from the header,
before a pixel is decoded; a file cut short is found by decoding all of it. Nothing outside is changed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from shared.errors import ImageError
from shared.media.avif import CodedFile, check_frames, coded_file
from shared.media.bmp import plain_bmp
from shared.media.gif import plain_gif
from shared.media.jpeg import plain_jpeg, stand_in
from shared.media.kinds import Kind, kind_of
from shared.media.orientation import orientation_of
from shared.media.pixels import as_rgb, bytes_per_pixel, strips
from shared.media.plain_file import PlainFile, broken, excessive
from shared.media.png import plain_png
from shared.media.riff import plain_webp
from shared.media.tiff import plain_tiff

MOST_PIXELS = 178_956_970  # of any image, whatever else is allowed: where Pillow's own decoders stop
_RGB_BYTES = 4  # of a pixel, as Pillow keeps it
_STRIPS = 8 * 2**20  # bytes of what is converted at a time
_CORNER = 8  # pixels on a side of what JPEG codes as one
_AVIF_DECODING = 12.0  # bytes for each pixel beside the image: planes of up to 16 bits, and copies of their colours
_PLUGINS: Mapping[Kind, type[ImageFile.ImageFile]] = MappingProxyType(
    {
        Kind.PNG: PngImagePlugin.PngImageFile,
        Kind.JPEG: JpegImagePlugin.JpegImageFile,
        Kind.WEBP: WebPImagePlugin.WebPImageFile,
        Kind.GIF: GifImagePlugin.GifImageFile,
        Kind.BMP: BmpImagePlugin.BmpImageFile,
        Kind.TIFF: TiffImagePlugin.TiffImageFile,
        Kind.AVIF: AvifImagePlugin.AvifImageFile,
        Kind.PPM: PpmImagePlugin.PpmImageFile,
    }
)
_PLAIN: Mapping[Kind, Callable[[bytes, str], PlainFile]] = MappingProxyType(
    {
        Kind.PNG: plain_png,
        Kind.JPEG: plain_jpeg,
        Kind.WEBP: plain_webp,
        Kind.GIF: plain_gif,
        Kind.BMP: plain_bmp,
        Kind.TIFF: plain_tiff,
    }
)
# The decoders that are asked, by Pillow's names: those written in Python take seconds for what others do at once.
_DECODERS = frozenset({"raw", "zip", "jpeg", "gif", "libtiff", "bmp_rle"})


@dataclass(frozen=True)
class Cost:
    """Memory in bytes. `held`: by the decoded image. `decoding`: at most while it is decoded, `held` among them."""

    held: int
    decoding: int


@dataclass(frozen=True)
class _Header:
    """An image that can be decoded, and what that takes. `name`: what a person calls it."""

    name: str
    file: PlainFile
    cost: Cost


def open_image(data: bytes, max_pixels: int, name: str) -> Image.Image:
    """The image in `data`: upright, on white where it is transparent, its first frame, RGB with 8 bits.

    `name` is what a person calls it. Raises ImageError.
    """
    return _decode(_read_header(data, max_pixels, name))


def cost_of(data: bytes, max_pixels: int, name: str) -> Cost:
    """What `open_image` would take, known from the header. Raises ImageError, as that would before it decodes."""
    return _read_header(data, max_pixels, name).cost


def _read_header(data: bytes, max_pixels: int, name: str) -> _Header:
    """What is in `data`, judged before a pixel is decoded."""
    kind = kind_of(data, name)
    if kind in _PLAIN:
        plain = _PLAIN[kind](data, name)
        _check_size(plain.width, plain.height, max_pixels, name)  # before a decoder makes room for it
        image = _opened(kind, plain.data, name)
    else:
        coded = coded_file(data, name) if kind is Kind.AVIF else CodedFile(data, 0)
        image = _opened(kind, coded.data, name)
        _check_size(*image.size, max_pixels, name)
        plain = _as_told(kind, coded, image, name)
    if image.size != (plain.width, plain.height):
        raise broken(name, kind)
    stored = plain.pixels * bytes_per_pixel(image.mode)
    held = plain.pixels * _RGB_BYTES
    return _Header(name, plain, Cost(held, _most(plain, stored, held, copied=image.mode != "RGB")))


def _decode(header: _Header) -> Image.Image:
    """The image that `header` is of."""
    image = _opened(header.file.kind, header.file.data, header.name)
    try:
        image.load()
        if image.size != (header.file.width, header.file.height):
            raise broken(header.name, header.file.kind)
        if header.file.kind is Kind.JPEG and not _complete(header, image):
            raise broken(header.name, header.file.kind)
        return _alone(as_rgb(image, header.file.orientation))
    except ImageError:
        raise
    except Exception:  # a decoder fed with a stranger's bytes may raise whatever there is, and tell where it lives
        raise broken(header.name, header.file.kind) from None


def _most(plain: PlainFile, stored: int, held: int, *, copied: bool) -> int:
    """Bytes at most: while it is decoded, converted (both images), or turned (twice the result)."""
    decoding = stored + plain.pixels * plain.decoding
    converting = stored + held if copied else held
    turning = 2 * held if plain.orientation != 1 else held
    return round(max(decoding, converting, turning)) + plain.extra + _STRIPS


def _as_told(kind: Kind, coded: CodedFile, image: ImageFile.ImageFile, name: str) -> PlainFile:
    """What a decoder itself tells before it makes room for pixels."""
    pixels = image.width * image.height
    check_frames(coded, pixels, name)
    planes = round(_AVIF_DECODING * max(pixels, coded.pixels)) if kind is Kind.AVIF else 0
    extra = planes + 2 * len(coded.data)
    return PlainFile(kind, coded.data, *image.size, orientation_of(image.info.get("exif", b"")), extra=extra)


def _opened(kind: Kind, data: bytes, name: str) -> ImageFile.ImageFile:
    """The file as its decoder knows it, no pixel decoded."""
    try:
        image = _PLUGINS[kind](io.BytesIO(data))
    except Exception:  # as above
        raise broken(name, kind) from None
    if any(tile[0] not in _DECODERS for tile in image.tile[:1]):
        raise excessive(name, kind, "a rare coding")
    return image


def _alone(image: Image.Image) -> Image.Image:
    """The same pixels, without the file, its decoder's canvases, and what else the file said."""
    alone = image._new(image.im)
    alone.info.clear()
    return alone


def _complete(header: _Header, image: Image.Image) -> bool:
    """Whether no pixel of a JPEG was missing: libjpeg makes up what is. Only what may be so is decoded again.

    What it makes up is flat, so the last corner tells of a file that has its end mark; and is small, for that one.
    """
    file = header.file
    if file.whole:
        left, top = max(0, image.width - _CORNER), max(0, image.height - _CORNER)
        corner = image.crop((left, top, image.width, image.height)).getextrema()
        flat = all(low == high for low, high in (corner if isinstance(corner[0], tuple) else (corner,)))
        return not flat or _jpeg(file.data, small=True).tobytes() == _jpeg(stand_in(file), small=True).tobytes()
    other = _jpeg(stand_in(file), small=False)
    return all(image.crop(box).tobytes() == other.crop(box).tobytes() for box in strips(image.size))


def _jpeg(data: bytes, *, small: bool) -> Image.Image:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    if small:
        image.draft(None, (1, 1))
    return image


def _check_size(width: int, height: int, max_pixels: int, name: str) -> None:
    if width < 1 or height < 1:
        raise ImageError(name, (width, height), "an image needs at least one pixel on each side")
    limit = min(max_pixels, MOST_PIXELS)
    if width * height > limit:
        raise ImageError(name, (width, height), f"its {width * height} pixels are more than {limit}, the limit")
