"""TIFF 6.0 and BigTIFF: the first image, by a directory of its own that has the entries that make pixels.

The directory is rebuilt: one with entries that share their bytes, or that leads to others, costs a decoder more than
the file is large.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.media.kinds import Kind
from shared.media.orientation import ORIENTATION, turn
from shared.media.plain_file import PlainFile, broken, excessive

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT = (
    *(256, 257, 258, 259),
    *(277, 278, 322, 323),
)
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
# Beside those: photometry, fill order, strips, planes, options of fax, predictor, colours, tiles, further samples,
# formats of samples, tables of JPEG, colours of YCbCr.
_KEPT = frozenset(
    {254, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, 262, 266, _STRIPS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES, 284, 292, 293}
    | {317, 320, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, 332, 338, 339, 347, 529, 530, 531, 532}
)
_SINGLE = frozenset(
    {_WIDTH, _HEIGHT, _COMPRESSION, 262, 266, _SAMPLES, _STRIP_ROWS, 284, 317, _TILE_WIDTH, _TILE_HEIGHT}
)
# None, fax, LZW, JPEG, deflate, packed bits. Others are rare, and some (LZMA, Zstandard) take memory as they say.
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946})
_TYPES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_OPAQUE = frozenset({1, 2, 7})  # types that are bytes: never read as numbers
_MOST_ENTRIES = 65536
_MOST_VALUES = 2**18  # of one entry: strips, or tiles of 16 x 16 of 64 megapixels
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True)
class _Layout:
    """How this file writes numbers: `order` of bytes; whether it is a BigTIFF."""

    order: str
    big: bool

    @property
    def entry(self) -> str:
        """Tag, type, count, and its values or where they are."""
        return f"{self.order}HHQ8s" if self.big else f"{self.order}HHI4s"

    @property
    def pointer(self) -> str:
        """An offset into the file."""
        return f"{self.order}{'Q' if self.big else 'I'}"

    @property
    def count(self) -> str:
        """How many entries there are."""
        return f"{self.order}{'Q' if self.big else 'H'}"


def plain_tiff(data: bytes, name: str) -> PlainFile:
    """The first image of `data`. Raises ImageError."""
    layout = _Layout("<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+"))
    first_pointer = 8 if layout.big else 4
    try:
        (start,) = struct.unpack_from(layout.pointer, data, first_pointer)
        entries = _entries(data, start, layout, name)
        numbers = {tag: _number(data, entry, layout) for tag, entry in entries.items()}
    except (struct.error, OverflowError):
        raise broken(name, Kind.TIFF) from None
    if numbers.get(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise excessive(name, Kind.TIFF, f"compression {numbers[_COMPRESSION]}")
    plain = _rebuilt(data, [entry for tag, entry in entries.items() if tag != ORIENTATION], layout, first_pointer)
    width, height = numbers.get(_WIDTH, 0), numbers.get(_HEIGHT, 0)
    tile = numbers.get(_TILE_WIDTH, width) * numbers.get(_TILE_HEIGHT, min(height, numbers.get(_STRIP_ROWS, height)))
    if tile > 4 * max(width * height, 2**20):
        raise excessive(name, Kind.TIFF, f"tiles of {tile} pixels for an image of {width} x {height}")
    bits = numbers.get(_BITS, 1) * max(1, numbers.get(_SAMPLES, 1))
    buffered = tile * max(4, (bits + 7) // 8)
    columns, largest = numbers.get(_TILE_WIDTH, width), len(data)
    if numbers.get(_COMPRESSION, 1) == 1:  # some writers tell more bytes than there are pixels
        largest = (columns * bits + 7) // 8 * (tile // max(1, columns))
    if any(begin + min(size, largest) > len(data) for begin, size in _stored(data, entries, layout)):
        raise broken(name, Kind.TIFF)  # a decoder would take the new directory for pixels
    orientation = turn(numbers.get(ORIENTATION, 1))
    return PlainFile(Kind.TIFF, plain, width, height, orientation, extra=buffered + 2 * len(plain))


def _entries(data: bytes, start: int, layout: _Layout, name: str) -> dict[int, bytes]:
    """The entries that are kept, as they are written, by their tags. Of two with one tag the first counts."""
    (count,) = struct.unpack_from(layout.count, data, start)
    if count > _MOST_ENTRIES:
        raise broken(name, Kind.TIFF)
    size = struct.calcsize(layout.entry)
    found: dict[int, bytes] = {}
    total, first = 0, start + struct.calcsize(layout.count)
    for at in range(first, first + count * size, size):
        tag, kind, values, field = struct.unpack_from(layout.entry, data, at)
        if (tag not in _KEPT and tag != ORIENTATION) or tag in found:
            continue
        if kind not in _OPAQUE and values > _MOST_VALUES:
            raise excessive(name, Kind.TIFF, f"{values} values in entry {tag}, more than {_MOST_VALUES}")
        length = _TYPES.get(kind, 8) * values
        begin = 0 if length <= len(field) else struct.unpack(layout.pointer, field)[0]
        total += length
        if max(total, begin + length) > len(data) or (tag in _SINGLE and values != 1):
            raise broken(name, Kind.TIFF)
        found[tag] = data[at : at + size]
    return found


def _number(data: bytes, entry: bytes, layout: _Layout) -> int:
    """The first value of an entry, 0 if it is no whole number."""
    return next(_numbers(data, entry, layout), 0)


def _numbers(data: bytes, entry: bytes, layout: _Layout) -> Iterator[int]:
    """The values of an entry, one by one; none if they are no whole numbers."""
    _, kind, values, field = struct.unpack(layout.entry, entry)
    if kind in _NUMBERS:
        size = _TYPES[kind] * values
        begin = 0 if size <= len(field) else struct.unpack(layout.pointer, field)[0]
        written = memoryview(field if size <= len(field) else data)[begin : begin + size]
        yield from (value for (value,) in struct.iter_unpack(f"{layout.order}{_NUMBERS[kind]}", written))


def _stored(data: bytes, entries: Mapping[int, bytes], layout: _Layout) -> Iterator[tuple[int, int]]:
    """Where each strip and tile begins, and how many bytes it is said to have."""
    for offsets, sizes in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        if offsets in entries and sizes in entries:
            begins = _numbers(data, entries[offsets], layout)
            yield from zip(begins, _numbers(data, entries[sizes], layout), strict=False)


def _rebuilt(data: bytes, entries: list[bytes], layout: _Layout, first_pointer: int) -> bytes:
    """The file with one directory of `entries`, at its end."""
    padding = b"\0" * (-len(data) % 8)
    directory = b"".join((struct.pack(layout.count, len(entries)), *entries, struct.pack(layout.pointer, 0)))
    where = struct.pack(layout.pointer, len(data) + len(padding))
    return b"".join((data[:first_pointer], where, data[first_pointer + len(where) :], padding, directory))
