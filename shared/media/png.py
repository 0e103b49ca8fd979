"""PNG (ISO 15948): the chunks that make pixels. Texts, profiles and further frames go, packed as they may be."""

from __future__ import annotations

import struct

from shared.media.kinds import Kind
from shared.media.orientation import orientation_of
from shared.media.plain_file import PlainFile, broken, excessive

_SIGNATURE = 8
_AROUND = 12  # bytes of a chunk beside its data: length, name, CRC
_MOST_CHUNKS = 65536  # IDAT of 8 KiB, which most writers make, fill 512 MiB
_ONCE = frozenset({b"PLTE", b"tRNS"})
_END = b"\0\0\0\0IEND\xaeB`\x82"


def plain_png(data: bytes, name: str) -> PlainFile:
    """The image in `data`. Raises ImageError."""
    kept: list[bytes] = [data[:_SIGNATURE]]
    seen: set[bytes] = set()
    orientation, at = 1, _SIGNATURE
    for number in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            break
        length, chunk = struct.unpack_from(">I4s", data, at)
        end = at + _AROUND + length
        if (chunk == b"IHDR") != (number == 0):
            raise broken(name, Kind.PNG)
        if chunk == b"IEND":
            break
        if chunk in (b"IHDR", b"IDAT") or (chunk in _ONCE and b"IDAT" not in seen):
            if chunk in _ONCE and chunk in seen:
                raise broken(name, Kind.PNG)
            seen.add(chunk)
            kept.append(data[at:end])
        elif chunk == b"eXIf":
            orientation = orientation_of(data[at + 8 : end - 4])
        at = end
    else:
        raise excessive(name, Kind.PNG, f"more than {_MOST_CHUNKS} chunks")
    if len(kept) < 2 or b"IDAT" not in seen:
        raise broken(name, Kind.PNG)
    try:
        width, height = struct.unpack_from(">II", kept[1], 8)
    except struct.error:
        raise broken(name, Kind.PNG) from None
    plain = b"".join((*kept, _END))
    return PlainFile(Kind.PNG, plain, width, height, orientation, extra=len(plain))
