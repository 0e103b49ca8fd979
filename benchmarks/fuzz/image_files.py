"""Image files to spoil: every kind that is read in many forms, every other kind that Pillow writes, and wrappers.

Pure but for Pillow's encoders: the same generator gives the same bytes.
"""

from __future__ import annotations

import contextlib
import functools
import io
import random
import struct
import warnings
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, PngImagePlugin, TiffImagePlugin

SIDE = 24  # pixels of a seed's longer side
_POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
_FIELDS = (0, 1, 2, 3, 7, 8, 127, 255, 256, 1000, 4095, 2**14 - 1, 2**15 - 1, 2**15, 2**16 - 1)
_WIDE_FIELDS = (*_FIELDS, 2**16, 2**20, 2**24, 2**28, 2**31 - 1, 2**31, 2**32 - 1)


@functools.cache
def seeds() -> Mapping[str, bytes]:
    """Whole files of the kinds that are read, by name."""
    found: dict[str, bytes] = {}

    def add(kind: str, mode: str, label: str = "", **options: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            found[f"{kind} {mode} {label}".strip()] = saved(sample(mode), kind, **options)

    exif = Image.Exif()
    exif[0x0112] = 6
    texts = PngImagePlugin.PngInfo()
    texts.add_text("comment", "x" * 500, zip=True)
    texts.add_itxt("more", "y" * 300, zip=True)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        add("PNG", mode)
    add("PNG", "RGB", "metadata", exif=exif, pnginfo=texts, icc_profile=bytes(400))
    add("PNG", "P", "transparency", transparency=b"\0\x80\xff")
    add("PNG", "RGB", "animation", save_all=True, append_images=[sample("RGB", 1)])
    for mode in ("L", "RGB", "CMYK"):
        add("JPEG", mode)
        add("JPEG", mode, "progressive", progressive=True)
    add("JPEG", "RGB", "turned", exif=exif)
    add("JPEG", "RGB", "restarts", restart_marker_blocks=1)
    add("JPEG", "RGB", "full colour", subsampling=0)
    add("MPO", "RGB", save_all=True, append_images=[sample("RGB", 1)])
    for mode in ("RGB", "RGBA"):
        add("WEBP", mode)
        add("WEBP", mode, "lossless", lossless=True)
        add("AVIF", mode, speed=10)
    add("WEBP", "RGB", "turned", exif=exif)
    add("WEBP", "RGB", "animation", save_all=True, append_images=[sample("RGB", 1)])
    add("AVIF", "RGB", "animation", speed=10, save_all=True, append_images=[sample("RGB", 1)])
    for mode in ("1", "L", "P"):
        add("GIF", mode)
    add("GIF", "P", "transparency", transparency=1, comment=b"c" * 300)
    add("GIF", "P", "animation", save_all=True, append_images=[sample("P", 1)])
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        add("BMP", mode)
    found["BMP runs"] = bmp_of_runs()
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "LAB", "YCbCr"):
        add("TIFF", mode)
        for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
            add("TIFF", mode, compression, compression=compression)
    for mode, compression in (("1", "group3"), ("1", "group4"), ("L", "jpeg"), ("RGB", "jpeg"), ("RGB", "lzma")):
        add("TIFF", mode, compression, compression=compression)
    add("TIFF", "RGB", "big", big_tiff=True)
    add("TIFF", "RGB", "pages", save_all=True, append_images=[sample("RGB", 1)])
    add("TIFF", "RGB", "turned", tiffinfo=_tags({0x0112: 8}))
    for mode in ("1", "L", "RGB", "I"):
        add("PPM", mode)
    return found


@functools.cache
def strangers() -> Mapping[str, bytes]:
    """Whole files of every other kind that Pillow writes, and of some that it reads alone."""
    Image.init()
    known = {name.partition(" ")[0] for name in seeds()}
    found: dict[str, bytes] = {"PostScript": _POSTSCRIPT}
    with warnings.catch_warnings(action="ignore"):  # of formats that Pillow will drop
        for kind in sorted(set(Image.SAVE) - known):
            for mode in ("RGB", "L", "1", "P"):
                with contextlib.suppress(Exception):  # each encoder says in its own way which modes it has
                    found.setdefault(kind, saved(sample(mode), kind))
    found["XPM"] = b'/* XPM */\nstatic char *a[] = {\n"2 1 2 1",\n"a c #000000",\n"b c #ffffff",\n"ab"};\n'
    found["FLI"] = struct.pack("<IHHHHH", 128, 0xAF11, 1, 8, 8, 8) + bytes(114)
    found["WMF"] = b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<hhhhH", 0, 0, 100, 100, 72) + bytes(10)
    found["PSD"] = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(12 + 2 + 192)
    return found


def sample(mode: str, number: int = 0) -> Image.Image:
    """A small image of a mode."""
    source = random.Random(f"{mode} {number}")
    if mode in ("I", "I;16", "F"):
        wide = Image.new("I" if mode == "I;16" else mode, (SIDE, SIDE - 4))
        wide.putdata([source.randrange(65536) for _ in range(SIDE * (SIDE - 4))])
        return wide.convert(mode) if mode == "I;16" else wide
    colours = Image.frombytes("RGB", (6, 5), source.randbytes(90)).resize((SIDE, SIDE - 4))
    if mode in ("LA", "RGBA"):
        colours.putalpha(Image.frombytes("L", (6, 5), source.randbytes(30)).resize(colours.size))
        return colours.convert(mode)
    if mode == "LAB":
        return Image.frombytes("LAB", colours.size, colours.tobytes())
    return colours.convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """`image` as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bmp_of_runs(width: int = 16, height: int = 8) -> bytes:
    """A BMP with run lengths, which Pillow reads and does not write."""
    runs = b"".join(bytes((width, row)) + b"\0\0" for row in range(height)) + b"\0\1"
    palette = b"".join(bytes((n, 255 - n, n, 0)) for n in range(256))
    begins = 54 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", begins + len(runs), 0, 0, begins) + info + palette + runs


def in_iptc(data: bytes, width: int = 1, height: int = 1) -> bytes:
    """`data` as the image of an IPTC record that says another size."""
    fields = (
        (3, 60, b"\1\0"),
        (3, 20, struct.pack(">H", width)),
        (3, 30, struct.pack(">H", height)),
        (3, 120, b"\5"),
    )
    head = b"".join(
        bytes((0x1C, record, number)) + struct.pack(">H", len(body)) + body for record, number, body in fields
    )
    return head + bytes((0x1C, 8, 10, 132, 0)) + struct.pack(">I", len(data)) + data


def in_icon(data: bytes, kind: int = 1) -> bytes:
    """`data` as the image of an icon (1) or a cursor (2) that says 16 x 16."""
    return struct.pack("<HHHBBBBHHII", 0, kind, 1, 16, 16, 0, 0, 1, 32, len(data), 22) + data


def in_icns(data: bytes) -> bytes:
    """`data` as the image of an Apple icon that says 128 x 128."""
    entry = b"ic07" + struct.pack(">I", len(data) + 8) + data
    return b"icns" + struct.pack(">I", len(entry) + 8) + entry


def in_tiff(data: bytes) -> bytes:
    """`data` as the one JPEG strip of a TIFF of 8 x 8."""
    entries = ((256, 8), (257, 8), (258, 8), (259, 7), (262, 2), (273, 8), (277, 3), (278, 8), (279, len(data)))
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4)


def in_webp(data: bytes) -> bytes:
    """`data` as a lossy frame of a WebP."""
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBPVP8 " + struct.pack("<I", len(data)) + data


WRAPPERS: Mapping[str, Callable[[bytes], bytes]] = {
    "IPTC": in_iptc,
    "ICO": in_icon,
    "CUR": functools.partial(in_icon, kind=2),
    "ICNS": in_icns,
    "TIFF": in_tiff,
    "WEBP": in_webp,
    "IPTC of IPTC": lambda data: in_iptc(in_iptc(data)),
}


def spoiled(source: random.Random) -> tuple[str, bytes]:
    """A file that is spoiled, and in which way."""
    pool = seeds() if source.random() < 0.85 else strangers()
    name = source.choice(list(pool))
    data = pool[name]
    way = source.choice(list(_WAYS))
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        data = _WAYS[way](source, data)
    if data.startswith(b"\x89PNG") and source.random() < 0.9:
        data = with_right_sums(data)
    if source.random() < 0.15:
        wrapper = source.choice(list(WRAPPERS))
        return f"{name}, {way}, in {wrapper}", WRAPPERS[wrapper](data)
    return f"{name}, {way}", data


def with_right_sums(data: bytes) -> bytes:
    """A PNG whose chunks have the sums that their bytes ask for, so that a decoder reads on."""
    at, right = 8, bytearray(data)
    while at + 12 <= len(right):
        end = at + 8 + int.from_bytes(right[at : at + 4], "big")
        if end + 4 > len(right):
            break
        right[end : end + 4] = struct.pack(">I", zlib.crc32(right[at + 4 : end]))
        at = end + 4
    return bytes(right)


def _flipped(source: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(source.randint(1, 6)):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def _header(source: random.Random, data: bytes) -> bytes:
    """A number that decides about sizes, set to something else."""
    return _with_number(source, data, source.randrange(min(len(data), 120)))


def _number(source: random.Random, data: bytes) -> bytes:
    return _with_number(source, data, source.randrange(len(data)))


def _with_number(source: random.Random, data: bytes, at: int) -> bytes:
    order = source.choice("<>")
    wide = source.random() < 0.5
    written = struct.pack(f"{order}{'I' if wide else 'H'}", source.choice(_WIDE_FIELDS if wide else _FIELDS))
    return data[:at] + written + data[at + len(written) :]


def _cut(source: random.Random, data: bytes) -> bytes:
    return data[: source.randint(1, len(data))]


def _spliced(source: random.Random, data: bytes) -> bytes:
    other = source.choice([*seeds().values()])
    return data[: source.randint(1, len(data))] + other[source.randrange(len(other)) :]


def _repeated(source: random.Random, data: bytes) -> bytes:
    begin = source.randrange(len(data))
    end = min(len(data), begin + source.randint(1, 80))
    return data[:end] + data[begin:end] * source.choice((1, 2, 50, 1000)) + data[end:]


def _removed(source: random.Random, data: bytes) -> bytes:
    at = source.randrange(len(data))
    return data[:at] + data[at + source.randint(1, 30) :] or b"?"


def _followed(source: random.Random, data: bytes) -> bytes:
    return data + source.randbytes(source.choice((1, 2, 16, 500)))


_WAYS: Mapping[str, Callable[[random.Random, bytes], bytes]] = {
    "bits flipped": _flipped,
    "header changed": _header,
    "number changed": _number,
    "cut": _cut,
    "spliced": _spliced,
    "part repeated": _repeated,
    "part removed": _removed,
    "something behind it": _followed,
    "whole": lambda _, data: data,
}


def _tags(values: Mapping[int, int]) -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in values.items():
        tags[tag] = value
    return tags
