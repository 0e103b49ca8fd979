"""BMP: its size and whether it is coded in runs, which Pillow reads in Python and not in C."""

from __future__ import annotations

import struct

from shared.media.kinds import Kind
from shared.media.plain_file import PlainFile, broken, excessive

_OLD_HEADER = 12  # bytes of one without compression
_RUNS = frozenset({1, 2})
# A run of two bytes takes a quarter of a microsecond; a jump takes 255 rows before the image is cut.
_MOST_BYTES, _MOST_COLUMNS = 4 * 2**20, 2**16
_RUN_PIXEL = 2.0  # bytes of a pixel in Python, twice


def plain_bmp(data: bytes, name: str) -> PlainFile:
    """The image in `data`. Raises ImageError."""
    try:
        (header,) = struct.unpack_from("<I", data, 14)
        width, height = struct.unpack_from("<HH" if header == _OLD_HEADER else "<ii", data, 18)
        (coding,) = (0,) if header == _OLD_HEADER else struct.unpack_from("<I", data, 30)
    except struct.error:
        raise broken(name, Kind.BMP) from None
    if coding not in _RUNS:
        return PlainFile(Kind.BMP, data, width, abs(height), extra=2 * len(data))
    if len(data) > _MOST_BYTES or width > _MOST_COLUMNS:
        what = f"runs in more than {_MOST_BYTES >> 20} MiB, or in rows of more than {_MOST_COLUMNS} pixels"
        raise excessive(name, Kind.BMP, what)
    return PlainFile(Kind.BMP, data, width, abs(height), decoding=_RUN_PIXEL, extra=2 * len(data) + 256 * width)
