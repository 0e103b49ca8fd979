"""GIF 89a: the first frame. Comments, further frames and other extensions go."""

from __future__ import annotations

import struct

from shared.media.kinds import Kind
from shared.media.plain_file import PlainFile, broken, excessive

_EXTENSION, _IMAGE, _CONTROL = 0x21, 0x2C, 0xF9
_MOST_BLOCKS = 65536  # before the first frame; XMP makes a block of some 60 bytes


def plain_gif(data: bytes, name: str) -> PlainFile:
    """The first frame of `data` on its screen. Raises ImageError."""
    try:
        at = 13 + _palette(data[10])
        kept, at = _extensions(data, at, name)
        left, top, width, height = struct.unpack_from("<HHHH", data, at + 1)
        screen = struct.unpack_from("<HH", data, 6)
    except (struct.error, IndexError):
        raise broken(name, Kind.GIF) from None
    plain = b"".join((data[: 13 + _palette(data[10])], *kept, data[at:]))
    return PlainFile(Kind.GIF, plain, max(screen[0], left + width), max(screen[1], top + height), extra=len(plain))


def _palette(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def _extensions(data: bytes, at: int, name: str) -> tuple[list[bytes], int]:
    """The graphic controls before the first frame, and where that begins."""
    controls: list[bytes] = []
    blocks = 0
    while data[at] != _IMAGE:
        if data[at] != _EXTENSION:
            raise broken(name, Kind.GIF)
        begin, at, blocks = at, at + 2, blocks + 1
        while (size := data[at]) and blocks <= _MOST_BLOCKS:
            at += 1 + size
            blocks += 1
        if blocks > _MOST_BLOCKS:
            raise excessive(name, Kind.GIF, f"more than {_MOST_BLOCKS} blocks before its first frame")
        at += 1
        if data[begin + 1] == _CONTROL:
            controls.append(data[begin:at])
    return controls, at
