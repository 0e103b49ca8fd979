"""The orientation that EXIF asks for, and no more of EXIF: its other entries cost memory and say nothing to a model."""

from __future__ import annotations

import struct
from types import MappingProxyType

from PIL import Image

# EXIF 2.32, tag 0x0112: what turns the stored rows and columns into the image as it was seen. 1: nothing.
UPRIGHT = MappingProxyType(
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
ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4


def orientation_of(exif: bytes) -> int:
    """The orientation in `exif`, 1 if it has none or cannot be read: the pixels are sound all the same."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, start)
        for at in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(f"{order}HHI", exif, at)
            if tag == ORIENTATION and count == 1 and kind in (_SHORT, _LONG):
                return turn(struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", exif, at + 8)[0])
    except struct.error:
        pass
    return 1


def turn(value: int) -> int:
    """`value` if it is an orientation that turns something, else 1."""
    return value if value in UPRIGHT else 1
