"""What may come as a picture, and what becomes of it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, TiffImagePlugin

from shared.errors import ImageError
from shared.media.images import open_image

LIMIT = 1_000_000


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of `picture` in a file of `kind`."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 48, height: int = 32) -> Image.Image:
    """A picture whose corners differ."""
    rows, columns = np.mgrid[0:height, 0:width]
    values = np.stack([columns * 255 // width, rows * 255 // height, (rows + columns) % 256], axis=-1)
    return Image.fromarray(values.astype(np.uint8))


def opened(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The RGB values of `data`."""
    picture = open_image(data, LIMIT, "cat.png")
    assert picture.mode == "RGB"
    return np.asarray(picture)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_a_lossless_picture_comes_back_as_it_was(kind: str) -> None:
    assert (opened(encoded(gradient(), kind)) == np.asarray(gradient())).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "GIF", "MPO"])
def test_a_lossy_picture_comes_back_nearly_as_it_was(kind: str) -> None:
    difference = opened(encoded(gradient(), kind)).astype(int) - np.asarray(gradient())
    assert abs(difference).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright(orientation: int) -> None:
    """The stored picture is the upright one turned by the inverse of what the tag asks for, pixel for pixel."""
    upright = np.asarray(gradient())
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (opened(encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)) == upright).all()


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_unknown_orientation_turns_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (opened(encoded(gradient(), "PNG", exif=exif)) == np.asarray(gradient())).all()


def test_broken_exif_turns_nothing() -> None:
    data = encoded(gradient(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert (opened(data) == np.asarray(gradient())).all()


def test_transparency_shows_white() -> None:
    picture = Image.new("RGBA", (3, 1), (10, 20, 30, 255))
    picture.putpixel((1, 0), (10, 20, 30, 0))
    picture.putpixel((2, 0), (0, 0, 0, 128))
    assert opened(encoded(picture, "PNG"))[0].tolist() == [[10, 20, 30], [255, 255, 255], [127, 127, 127]]


def test_grey_with_transparency_shows_white() -> None:
    picture = Image.new("LA", (2, 1), (40, 255))
    picture.putpixel((1, 0), (40, 0))
    assert opened(encoded(picture, "PNG"))[0].tolist() == [[40, 40, 40], [255, 255, 255]]


def test_a_palette_is_resolved_and_its_transparent_colour_shows_white() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([200, 0, 0, 0, 200, 0])
    picture.putpixel((1, 0), 1)
    assert opened(encoded(picture, "PNG"))[0].tolist() == [[200, 0, 0], [0, 200, 0]]
    assert opened(encoded(picture, "PNG", transparency=1))[0].tolist() == [[200, 0, 0], [255, 255, 255]]
    assert opened(encoded(picture, "PNG", transparency=b"\xff\x00"))[0].tolist() == [[200, 0, 0], [255, 255, 255]]


def test_a_transparent_colour_without_palette_shows_white() -> None:
    picture = Image.new("RGB", (2, 1), (1, 2, 3))
    picture.putpixel((1, 0), (4, 5, 6))
    assert opened(encoded(picture, "PNG", transparency=(4, 5, 6)))[0].tolist() == [[1, 2, 3], [255, 255, 255]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_and_not_clipped(kind: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    assert opened(encoded(Image.fromarray(values), kind))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_sixteen_bit_values_round_to_the_nearest() -> None:
    values = np.array([[128, 129, 385, 386, 65535]], dtype=np.uint16)
    assert opened(encoded(Image.fromarray(values), "PNG"))[0, :, 0].tolist() == [0, 1, 1, 2, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_fewer_bits_than_a_value_has_room_for_are_as_bright_as_their_own_white(kind: str, bits: int) -> None:
    """Cameras and scanners write 10 to 14 bits into 16, and arrays of 8 bits are saved as 32."""
    values = np.array([[0, 2**bits // 2, 2**bits - 1]])
    for wide in (np.uint16, np.int32) if kind == "TIFF" else (np.uint16,):
        assert opened(encoded(Image.fromarray(values.astype(wide)), kind))[0, :, 0].tolist() == [0, 128, 255]


def test_a_transparent_value_of_sixteen_bits_shows_white() -> None:
    values = np.array([[0, 257]], dtype=np.uint16)
    assert opened(encoded(Image.fromarray(values), "PNG", transparency=257))[0, :, 0].tolist() == [0, 255]


def test_thirty_two_bits_and_fractions_are_scaled() -> None:
    wide = Image.fromarray(np.array([[-5, 0, 65535, 131070]], dtype=np.int32))
    assert opened(encoded(wide, "TIFF"))[0, :, 0].tolist() == [0, 0, 128, 255]
    fractions = Image.fromarray(np.array([[-1.0, 0.0, 0.5, 1.0]], dtype=np.float32))
    assert opened(encoded(fractions, "TIFF"))[0, :, 0].tolist() == [0, 0, 128, 255]
    broken = Image.fromarray(np.array([[np.nan, np.inf, 0.5, 1.0]], dtype=np.float32))
    assert opened(encoded(broken, "TIFF"))[0, :, 0].tolist() == [0, 0, 128, 255]


def test_black_and_white_is_black_and_white() -> None:
    picture = Image.new("1", (2, 1))
    picture.putpixel((1, 0), 1)
    assert opened(encoded(picture, "PNG"))[0].tolist() == [[0, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_ink_becomes_light(kind: str) -> None:
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert abs(opened(encoded(picture, kind))[8, 8].astype(int) - [255, 0, 0]).max() < 4


def test_lab_becomes_rgb() -> None:
    picture = Image.new("LAB", (4, 4), (255, 128, 128))
    assert opened(encoded(picture, "TIFF"))[0, 0].min() > 250


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    red, blue = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    data = encoded(red, kind, save_all=True, append_images=[blue])
    assert opened(data)[4, 4, 0] > 240
    assert opened(data)[4, 4, 2] < 16


def test_nothing_is_no_picture() -> None:
    with pytest.raises(ImageError, match=r"cat\.png.*empty"):
        open_image(b"", LIMIT, "cat.png")


@pytest.mark.parametrize("data", [b"\0", b"hello, I am a text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a"])
def test_what_is_no_picture_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"cat\.png"):
        open_image(data, LIMIT, "cat.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_found(kind: str, share: float) -> None:
    data = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), kind)
    with pytest.raises(ImageError, match=r"cat\.png"):
        open_image(data[: int(len(data) * share)], LIMIT, "cat.png")


def test_a_truncated_file_is_called_so() -> None:
    data = encoded(Image.effect_noise((64, 64), 90), "PNG")
    with pytest.raises(ImageError, match="cut short or broken"):
        open_image(data[: len(data) // 2], LIMIT, "cat.png")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
def test_a_tiff_that_ends_within_its_pixels_is_found(compression: str, big: bool) -> None:
    """Writers put the directory before the pixels or behind them; here it is before."""
    written = encoded(Image.effect_noise((64, 64), 90), "TIFF", compression=compression, big_tiff=big)
    tags = TiffImagePlugin.TiffImageFile(io.BytesIO(written)).tag_v2
    (begin,), (size,) = tags[273], tags[279]
    at = next(at for kind in (3, 4, 16) if (at := written.find(struct.pack("<HHB", 273, kind, 1))) > 0)
    moved = bytearray(written + written[begin : begin + size])
    struct.pack_into(
        "<H", moved, at + (12 if written[2] == 43 else 8), len(written)
    )  # BigTIFF, which libtiff does not write here
    data = bytes(moved)
    assert (opened(data) == opened(written)).all()
    for missing in (1, 2, 8, 20, 100):
        with pytest.raises(ImageError, match="cut short or broken"):
            open_image(data[:-missing], LIMIT, "cat.tif")


def test_a_tiff_that_tells_more_bytes_than_its_pixels_need_opens() -> None:
    data = encoded(gradient(), "TIFF")
    entry = struct.pack("<HHI", 279, 4, 1)
    at = data.index(entry) + len(entry)
    assert struct.unpack_from("<I", data, at)[0] == 48 * 32 * 3
    more = data[:at] + struct.pack("<I", 48 * 32 * 3 + 1000) + data[at + 4 :]
    assert (opened(more) == np.asarray(gradient())).all()


def test_the_size_is_judged_before_a_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    data = encoded(gradient(100, 100), "PNG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    with pytest.raises(ImageError, match=r"10000 pixels.*9999"):
        open_image(data, 9999, "cat.png")


def test_a_picture_of_just_the_limit_is_welcome() -> None:
    assert open_image(encoded(gradient(100, 100), "PNG"), 10_000, "cat.png").size == (100, 100)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_data_of_a_smaller_image_under_a_larger_size_are_refused(kind: str, mode: str) -> None:
    """Whatever a decoder would make up for what is missing."""
    small = encoded(Image.effect_noise((64, 64), 90).convert(mode), kind)
    larger = with_size(kind, small, 640)
    assert larger != small
    with pytest.raises(ImageError, match=r"cat\.png"):
        open_image(larger, LIMIT, "cat.png")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0}])
def test_a_jpeg_without_its_end_marker_opens_and_one_without_its_last_rows_does_not(
    mode: str, options: dict[str, Any]
) -> None:
    for image in (Image.effect_noise((72, 60), 90).convert(mode), Image.new(mode, (72, 60), "white")):
        data = encoded(image, "JPEG", **options)
        assert data.endswith(b"\xff\xd9")
        assert (opened(data[:-2]) == opened(data)).all()
        assert (opened(data[:-1]) == opened(data)).all()  # half an end marker
        assert (opened(data[:-1] + b"\xff\xff") == opened(data)).all()
        assert (opened(data + b"notes of a camera") == opened(data)).all()
    noisy = encoded(Image.effect_noise((72, 60), 90).convert(mode), "JPEG", **options)
    for share in (0.97, 0.8, 0.5):
        with pytest.raises(ImageError, match="cut short"):
            open_image(noisy[: int(share * len(noisy))], LIMIT, "cat.png")


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000])  # below Pillow's warning, above it, above its error
def test_a_bomb_is_refused_from_its_header(side: int) -> None:
    with pytest.raises(ImageError, match=r"more than .*limit"):
        open_image(png_header(side, side), 64_000_000, "bomb.png")


def test_a_bomb_is_refused_whatever_the_limit() -> None:
    with pytest.raises(ImageError, match="limit"):
        open_image(png_header(60_000, 60_000), 10**12, "bomb.png")


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_picture_without_sides_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=r"cat\.png"):
        open_image(png_header(*size), LIMIT, "cat.png")


def test_postscript_is_not_run() -> None:
    with pytest.raises(ImageError, match="PostScript"):
        open_image(encoded(gradient(), "EPS"), LIMIT, "cat.eps")


def test_nothing_outside_is_changed() -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    open_image(encoded(gradient(), "PNG"), 10**12, "cat.png")
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def with_size(kind: str, data: bytes, side: int) -> bytes:
    """The same file with another width and height in its header."""
    changed = bytearray(data)
    match kind:
        case "PNG":
            changed[16:24] = struct.pack(">II", side, side)
            changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
        case "JPEG":
            at = data.index(b"\xff\xc0")
            changed[at + 5 : at + 9] = struct.pack(">HH", side, side)
        case "GIF":
            at = data.index(b"\x2c\0\0\0\0")
            changed[6:10] = changed[at + 5 : at + 9] = struct.pack("<HH", side, side)
        case "BMP":
            changed[18:26] = struct.pack("<ii", side, side)
        case "WEBP":
            at = data.index(b"\x9d\x01\x2a")
            changed[at + 3 : at + 7] = struct.pack("<HH", side, side)
        case "TIFF":
            (start,) = struct.unpack_from("<I", data, 4)
            for at in range(start + 2, start + 2 + 12 * data[start], 12):
                if data[at : at + 2] in (b"\0\1", b"\1\1"):
                    changed[at + 8 : at + 12] = struct.pack("<I", side)
        case "PPM":
            changed = bytearray(data.replace(b"64 64", b"640 640", 1))
        case "AVIF":
            at = data.index(b"ispe")
            changed[at + 8 : at + 16] = struct.pack(">II", 16384, 10000)
    return bytes(changed)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    fields = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    empty = b"IDAT" + zlib.compress(b"")
    chunks = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (fields, empty, b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
