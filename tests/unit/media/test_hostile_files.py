"""Small files that would cost much: each is refused from its header, or costs what was said before."""

from __future__ import annotations

import functools
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.fuzz.image_files import bmp_of_runs, sample, saved, seeds, with_right_sums
from shared.errors import ImageError
from shared.media.images import cost_of, open_image
from tests.unit.media.test_images import with_size

ROOT = Path(__file__).parents[3]
LIMIT = 64_000_000
_MIB = 2**20


def jpeg_with(marker: int, body: bytes, times: int) -> bytes:
    """A JPEG with so many further segments before its first scan."""
    data = seeds()["JPEG RGB"]
    return data[:2] + (bytes((255, marker)) + struct.pack(">H", len(body) + 2) + body) * times + data[2:]


def jpeg_of_scans(times: int, side: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = saved(Image.new("RGB", (side, side), "red"), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * times + data[-2:]


def exif_bomb() -> bytes:
    """EXIF whose entries share their bytes: a decoder that keeps all of them takes a hundred times its size."""
    entries = b"".join(struct.pack("<HHII", 1000 + n, 7, 50_000, 8) for n in range(1000))
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1000) + entries + bytes(40_000)


def png_with(chunk: bytes, body: bytes, times: int = 1) -> bytes:
    """A PNG with further chunks before its pixels."""
    data = seeds()["PNG RGB"]
    at = data.index(b"IDAT") - 4
    return with_right_sums(data[:at] + (struct.pack(">I", len(body)) + chunk + body + bytes(4)) * times + data[at:])


def tiff_with(*entries: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    """A TIFF of 8 x 8 grey pixels with further entries, which come first; `data` stands at 200."""
    own = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    own += [(277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
    new = {entry[0]: entry for entry in (*own, *entries)}
    begin = 200 + len(data)
    directory = (
        struct.pack("<H", len(new)) + b"".join(struct.pack("<HHII", *new[tag]) for tag in sorted(new)) + bytes(4)
    )
    return b"II*\0" + struct.pack("<I", begin) + bytes(192) + data + directory


def bmp_with_width(width: int) -> bytes:
    """A BMP in runs of one row, whose first word jumps 255 rows ahead."""
    data = bytearray(bmp_of_runs(16, 1))
    data[18:26] = struct.pack("<ii", width, 1)
    return bytes(data[: -len(b"\x10\0\0\0\0\1")]) + b"\0\2\xff\xff\0\1"


def avif_of_large_frames() -> bytes:
    """An AVIF whose sequence header, of 16 bits a side, is that of the largest frame that AV1 has."""
    data = seeds()["AVIF RGB"]
    at = data.index(b"mdat") + 4
    unit = data.index(b"\x0a", at)  # a sequence header with its size
    size = data[unit + 1]
    bits = "000" + "1" + "1" + "00101" + "1111" + "1111" + "0011111111111111" * 2
    header = int(bits.ljust(8 * size, "0")[: 8 * size], 2).to_bytes(size, "big")
    return data[: unit + 2] + header + data[unit + 2 + size :]


FILES: dict[str, Callable[[], bytes]] = {
    "JPEG, EXIF that shares its bytes": lambda: jpeg_with(0xE1, exif_bomb()[:65000], 30),
    "JPEG, a hundred thousand segments": lambda: jpeg_with(0xEC, b"", 100_000),
    "JPEG, comments": lambda: jpeg_with(0xFE, bytes(60_000), 300),
    "JPEG, hundreds of scans": lambda: jpeg_of_scans(400, 3000),
    "JPEG, ten thousand scans of a pixel": lambda: jpeg_of_scans(10_000, 1),
    "JPEG, three million fill bytes": lambda: b"\xff\xd8" + b"\xff" * 3_000_000,
    "JPEG, three million words that are no marker": lambda: b"\xff\xd8\xff" + b"\xff\0" * 3_000_000,
    "JPEG, two sizes": lambda: jpeg_with(0xC0, b"\x08\x40\0\x40\0\1\1\x11\0", 1),
    "PNG, a text of 100 MB in 100 kB": lambda: png_with(b"zTXt", b"a\0\0" + zlib.compress(bytes(100 * 10**6))),
    "PNG, a profile of 100 MB in 100 kB": lambda: png_with(b"iCCP", b"a\0\0" + zlib.compress(bytes(100 * 10**6))),
    "PNG, seventy thousand chunks": lambda: png_with(b"teXt", b"", 70_000),
    "PNG, EXIF that shares its bytes": lambda: png_with(b"eXIf", exif_bomb()[6:]),
    "PNG, two headers": lambda: png_with(b"IHDR", struct.pack(">IIBBBBB", 9999, 9999, 8, 2, 0, 0, 0)),
    "GIF, a million comments": lambda: b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\0" * 1_000_000,
    "GIF, a comment of a million pieces": lambda: b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1a" * 1_000_000 + b"\0",
    "BMP, a row of 60 million and a jump over 255": lambda: bmp_with_width(60_000_000),
    "BMP, two million runs": lambda: bmp_of_runs(16, 8)[:-2] + b"\0\2\0\0" * 2_000_000,
    "TIFF, entries that share their bytes": lambda: tiff_with(
        *((tag, 7, 30_000, 200) for tag in range(40_000, 43_000)), data=bytes(40_000)
    ),
    "TIFF, kept entries that share their bytes": lambda: tiff_with(
        (347, 7, 39_000, 200), (532, 5, 4_800, 200), data=bytes(40_000)
    ),
    "TIFF, three million strips": lambda: tiff_with((273, 4, 3_000_000, 200), data=bytes(12_000_000)),
    "TIFF, tiles of 900 megapixels": lambda: tiff_with((322, 4, 1, 30_000), (323, 4, 1, 30_000), (324, 4, 1, 8)),
    "TIFF, old JPEG": lambda: tiff_with((259, 3, 1, 6)),
    "TIFF, LZMA": lambda: tiff_with((259, 3, 1, 34925)),
    "WebP, seventy thousand chunks": lambda: seeds()["WEBP RGBA"] + b"ABCD\0\0\0\0" * 70_000,
    "AVIF, frames of 268 megapixels in an image of 64 x 64": avif_of_large_frames,
}


@functools.cache
def made(name: str) -> bytes:
    return FILES[name]()


OPEN = {  # what costs much there makes no pixel, and is not looked at
    "JPEG, EXIF that shares its bytes",
    "JPEG, comments",
    "PNG, a text of 100 MB in 100 kB",
    "PNG, a profile of 100 MB in 100 kB",
    "PNG, EXIF that shares its bytes",
    "TIFF, entries that share their bytes",
}


@pytest.mark.parametrize("name", FILES)
def test_what_costs_much_is_refused_from_the_header_or_left_out(name: str) -> None:
    if name in OPEN:
        assert open_image(made(name), LIMIT, "cat").mode == "RGB"
    else:
        with pytest.raises(ImageError):
            cost_of(made(name), LIMIT, "cat")


def test_each_takes_little_memory_or_what_its_header_said(tmp_path: Path) -> None:
    """Each in the same child, whose peak the kernel forgets before it."""
    for number, name in enumerate(FILES):
        (tmp_path / f"{number:02}").write_bytes(made(name))
    code = f"""
import gc, pathlib
from shared.errors import ImageError
from shared.media.images import cost_of, open_image
def status(name):
    return next(int(l.split()[1]) * 1024 for l in open("/proc/self/status") if l.startswith(name))
for path in sorted(pathlib.Path({str(tmp_path)!r}).iterdir()):
    data, said = path.read_bytes(), 0
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    try:
        said = cost_of(data, {LIMIT}, "cat").decoding
        open_image(data, {LIMIT}, "cat")
    except ImageError:
        pass
    print(status("VmHWM") - before - said - 2 * len(data))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    beyond = dict(zip(FILES, map(int, done.stdout.split()), strict=True))
    assert {name: more // _MIB for name, more in beyond.items() if more > 24 * _MIB} == {}


def test_frames_that_are_larger_than_the_image_are_found() -> None:
    with pytest.raises(ImageError, match=r"frames of 268435456 pixels for an image of 480"):
        open_image(avif_of_large_frames(), LIMIT, "cat")


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_what_decoding_takes_is_said_before_and_is_more_than_what_stays(mode: str) -> None:
    for kind in ("PNG", "TIFF"):
        if kind == "PNG" and mode in ("CMYK", "I", "F"):
            continue
        data = saved(sample(mode), kind)
        cost = cost_of(data, LIMIT, "cat")
        width, height = open_image(data, LIMIT, "cat").size
        assert cost.held == 4 * width * height
        assert cost.decoding > cost.held


def test_a_size_that_another_part_of_the_file_contradicts_is_not_believed() -> None:
    """PNG and JPEG with two headers, a TIFF that lies about its strip: the loaded size is the one that was judged."""
    for data in (made("PNG, two headers"), made("JPEG, two sizes"), with_size("PNG", seeds()["PNG L"], 700)):
        with pytest.raises(ImageError):
            open_image(data, LIMIT, "cat")
    image = Image.fromarray(np.zeros((4, 5, 3), np.uint8))
    assert open_image(saved(image, "PNG"), LIMIT, "cat").size == (5, 4)
