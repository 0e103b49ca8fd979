"""The boxes of ISO 14496-12 as far as an image needs them: which items there are, and where their bytes lie.

Pure. Raises struct.error, ValueError for boxes that cannot be.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_BOXES = 4096  # in one box
_MOST_ITEMS = 1024  # an image of tiles has some hundred
_IN_FILE, _IN_BOX = 0, 1  # where an item's extents count from: the file, or the box `idat`


@dataclass(frozen=True)
class Box:
    """`data[begin:end]` is what is in it; its size and name stand before, from `start` on."""

    name: bytes
    start: int
    begin: int
    end: int


def boxes(data: bytes, begin: int, end: int) -> Iterator[Box]:
    """Those that follow each other in `data[begin:end]`."""
    for _ in range(_MOST_BOXES):
        if begin + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, begin)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, begin + 8), 16
        size = size or end - begin
        if size < head or begin + size > end:
            raise ValueError(f"a box of {size} bytes")
        yield Box(name, begin, begin + head, begin + size)
        begin += size
    raise ValueError("too many boxes")


class Cursor:
    """Reads whole numbers one after the other, from `at` on."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def number(self, size: int) -> int:
        """The next, of `size` bytes."""
        read = self._data[self.at : self.at + size]
        if len(read) != size:
            raise ValueError("the box ends in a number")
        self.at += size
        return int.from_bytes(read, "big")


def items(data: bytes, meta: Box, wanted: bytes) -> list[bytes]:
    """The bytes of all items of the type `wanted` in the box `meta`; together no more than the file has."""
    inside = {box.name: box for box in boxes(data, meta.begin + 4, meta.end)}
    if not {b"iinf", b"iloc"} <= inside.keys():
        raise ValueError("no items")
    named = _types(data, inside[b"iinf"])
    stored = inside.get(b"idat")
    left = len(data)
    found = []
    for item, method, extents in _locations(data, inside[b"iloc"]):
        if named.get(item) != wanted:
            continue
        base = stored.begin if method == _IN_BOX and stored is not None else 0
        if method not in (_IN_FILE, _IN_BOX):
            raise ValueError("an item made of others")
        left -= sum(length for _, length in extents)
        if left < 0:
            raise ValueError("items larger than the file")
        found.append(b"".join(data[base + offset : base + offset + length] for offset, length in extents))
    return found


def _types(data: bytes, box: Box) -> dict[int, bytes]:
    version = data[box.begin]
    first = box.begin + 4 + (2 if version == 0 else 4)
    found = {}
    for entry in boxes(data, first, box.end):
        cursor = Cursor(data, entry.begin)
        kind = cursor.number(4) >> 24
        item = cursor.number(4 if kind == 3 else 2)
        cursor.number(2)
        found[item] = cursor.number(4).to_bytes(4, "big")
    return found


def _locations(data: bytes, box: Box) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Of each item its number, from where its extents count, and those, each an offset and a length."""
    cursor = Cursor(data, box.begin)
    version = cursor.number(4) >> 24
    sizes = cursor.number(2)
    offset_size, length_size, base_size, index_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    count = cursor.number(2 if version < 2 else 4)
    if count > _MOST_ITEMS:
        raise ValueError("too many items")
    for _ in range(count):
        item = cursor.number(2 if version < 2 else 4)
        method = cursor.number(2) & 15 if version > 0 else _IN_FILE
        cursor.number(2)
        base = cursor.number(base_size)
        extents = []
        for _ in range(min(cursor.number(2), _MOST_ITEMS)):
            cursor.number(index_size if version > 0 else 0)
            extents.append((base + cursor.number(offset_size), cursor.number(length_size)))
        if cursor.at > box.end:
            raise ValueError("the box ends in an item")
        yield item, method, extents
