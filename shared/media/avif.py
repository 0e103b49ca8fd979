"""AVIF: the primary image, with the size that its coded frames have. Tracks of an animation go.

The size that the container tells is not the one that a decoder makes room for: that is in AV1's own headers
(AV1 Bitstream Specification, 5.5). A container of 64 x 64 may hold frames of 16384 x 16384.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from shared.media.boxes import Box, boxes, items
from shared.media.kinds import Kind
from shared.media.plain_file import broken, excessive

_SEQUENCE_HEADER = 1  # a type of AV1's units
_MOST_UNITS = 1024  # of one item
_MARGIN, _SMALL = 4, 2**20  # a frame may be so many times as large as the image, or as an image of a megapixel


@dataclass(frozen=True)
class CodedFile:
    """`data`: the file without its tracks. `pixels`: what its largest frame can have."""

    data: bytes
    pixels: int


def coded_file(data: bytes, name: str) -> CodedFile:
    """What is coded in `data`. Raises ImageError."""
    try:
        top = list(_top(data))
        meta = next(box for box in top if box.name == b"meta")
        pixels = max(_frame_pixels(item) for item in items(data, meta, b"av01"))
    except (struct.error, ValueError, StopIteration, IndexError):
        raise broken(name, Kind.AVIF) from None
    still = bytearray(data)
    for box in top:
        if box.name == b"moov":
            still[box.start + 4 : box.start + 8] = b"free"
        elif box.name == b"ftyp":
            still[box.begin : box.end] = data[box.begin : box.end].replace(b"avis", b"avif")
    return CodedFile(bytes(still), pixels)


def _top(data: bytes) -> Iterator[Box]:
    """The outermost boxes. What stands behind them may be anything: some programs leave notes there."""
    with contextlib.suppress(ValueError, struct.error):
        yield from boxes(data, 0, len(data))


def check_frames(coded: CodedFile, pixels: int, name: str) -> None:
    """Refuse frames far larger than the image, of `pixels`, that is made of them. Raises ImageError."""
    if coded.pixels > _MARGIN * max(pixels, _SMALL):
        raise excessive(name, Kind.AVIF, f"frames of {coded.pixels} pixels for an image of {pixels}")


def _frame_pixels(item: bytes) -> int:
    """The largest frame that the sequence headers of `item` allow. ValueError if it has none."""
    largest, at = 0, 0
    for _ in range(_MOST_UNITS):
        if at >= len(item):
            break
        header = item[at]
        at += 2 if header & 4 else 1
        size = len(item) - at
        if header & 2:
            size, at = _leb128(item, at)
        if header >> 3 & 15 == _SEQUENCE_HEADER:
            largest = max(largest, _sequence_pixels(_Bits(item[at : at + size])))
        at += size
    else:
        raise ValueError("too many units")
    if not largest:
        raise ValueError("no sequence header")
    return largest


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number in range(8):
        value |= (data[at + number] & 127) << 7 * number
        if data[at + number] < 128:
            return value, at + number + 1
    raise ValueError("a number of more than eight bytes")


class _Bits:
    """Reads bits, the highest of a byte first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:256], "big")
        self._left = 8 * len(data[:256])

    def read(self, count: int) -> int:
        """The next `count` bits as a number."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the header ends too early")
        return self._value >> self._left & (1 << count) - 1


def _sequence_pixels(bits: _Bits) -> int:
    """Pixels of the largest frame after this header. Unless it is reduced, frames may use all bits of a size."""
    bits.read(4)  # profile, still picture
    reduced = bits.read(1)
    if reduced:
        bits.read(5)  # level
    else:
        _skip_operating_points(bits)
    wide, high = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(wide) + 1, bits.read(high) + 1
    return width * height if reduced else 1 << wide + high


def _skip_operating_points(bits: _Bits) -> None:
    delay, model = 0, 0
    if bits.read(1):  # timing
        bits.read(64)
        if bits.read(1):  # equal intervals: a number in Exp-Golomb code
            zeros = 0
            while not bits.read(1):
                zeros += 1
            bits.read(zeros)
        model = bits.read(1)
        if model:
            delay = bits.read(5) + 1
            bits.read(42)
    display = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)  # tier
        if model and bits.read(1):
            bits.read(2 * delay + 1)
        if display and bits.read(1):
            bits.read(4)
