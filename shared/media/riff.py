"""WebP: its canvas, from the header alone, and EXIF's orientation. The decoder gets the file as it is."""

from __future__ import annotations

import struct

from shared.media.kinds import Kind
from shared.media.orientation import orientation_of
from shared.media.plain_file import PlainFile, broken, excessive

_LARGEST = 2**14 - 1  # of the 14 bits of a side
# Two canvases, a lossless frame as it is read, a copy of it as bytes: four bytes for each pixel of each.
_DECODING = 16.0
_MOST_CHUNKS = 65536


def plain_webp(data: bytes, name: str) -> PlainFile:
    """The first frame of `data`. Raises ImageError."""
    try:
        width, height = _canvas(data)
    except struct.error:
        raise broken(name, Kind.WEBP) from None
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        raise broken(name, Kind.WEBP)
    exif = _chunk(data, b"EXIF", name)
    return PlainFile(Kind.WEBP, data, width, height, orientation_of(exif), _DECODING, extra=2 * len(data))


def _canvas(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & _LARGEST, height & _LARGEST
        case b"VP8L" if data[20:21] == b"\x2f":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & _LARGEST) + 1, (bits >> 14 & _LARGEST) + 1
        case b"VP8X":
            wide, high = struct.unpack("<I", data[24:27] + b"\0"), struct.unpack("<I", data[27:30] + b"\0")
            return wide[0] + 1, high[0] + 1
    return 0, 0


def _chunk(data: bytes, wanted: bytes, name: str) -> bytes:
    """The body of the first chunk called `wanted`, empty if there is none."""
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return b""
        chunk, size = struct.unpack_from("<4sI", data, at)
        if chunk == wanted:
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise excessive(name, Kind.WEBP, f"more than {_MOST_CHUNKS} chunks")
