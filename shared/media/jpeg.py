"""JPEG (ITU T.81): the first image of a file, without application data; later images of an MPO and trailers go.

libjpeg fills what is missing with grey and tells nobody. `stand_in` makes the file that shows whether anything was.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from shared.media.kinds import Kind
from shared.media.orientation import orientation_of
from shared.media.plain_file import PlainFile, broken, excessive

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_START_OF_SCAN, _END, _APP0, _EXIF, _ADOBE, _COMMENT = 0xDA, 0xD9, 0xE0, 0xE1, 0xEE, 0xFE
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_APPLICATION = frozenset(range(0xE0, 0xF0)) - {_APP0, _ADOBE}  # of those two the colours depend
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # the end of entropy-coded data
_MOST_SEGMENTS = 4096  # one of 64 KiB each fills 256 MiB
_MOST_SCANNED = 2_000_000_000  # pixels times scans: a progressive file of ten scans has up to 200 megapixels
_PIXEL = 4.0  # bytes of a decoded one at most
_NOISE = bytes((73 * number + 41) % 255 for number in range(256))  # no 0xFF among them


@dataclass
class _Walk:
    """What has been read so far."""

    width: int = 0
    height: int = 0
    sampling: tuple[tuple[int, int], ...] = ()
    progressive: bool = False
    orientation: int = 1
    scans: int = 0
    several: bool = False  # scans, each of them over the whole image: it is buffered as coefficients
    kept: list[bytes] = field(default_factory=list)


def plain_jpeg(data: bytes, name: str) -> PlainFile:
    """The image in `data`. Raises ImageError."""
    walk = _Walk()
    try:
        at = _header(data, walk, name)
        end, whole = _scans(data, at, walk, name)
    except (struct.error, IndexError):
        raise broken(name, Kind.JPEG) from None
    if not walk.sampling:
        raise broken(name, Kind.JPEG)
    plain = b"".join((_SOI, *walk.kept, data[at:end], _EOI))
    decoding = _coefficients(walk.sampling) if walk.progressive or walk.several else 0.0
    if not whole:
        decoding += _PIXEL  # it is decoded a second time, to be compared
    return PlainFile(
        Kind.JPEG, plain, walk.width, walk.height, walk.orientation, decoding, extra=2 * len(plain), whole=whole
    )


def stand_in(plain: PlainFile) -> bytes:
    """The same file with noise behind its last scan. It decodes to the same pixels if none of them was missing."""
    marks = b"".join(bytes((0xFF, 0xD0 + number)) + _NOISE for number in range(8))  # where one waits for a restart
    return b"".join((plain.data[: -len(_EOI)], _NOISE, marks, _EOI))


def _header(data: bytes, walk: _Walk, name: str) -> int:
    """Read the segments before the first scan; where that begins."""
    at = len(_SOI)
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            raise broken(name, Kind.JPEG)
        marker, at = found[1][0], found.end()
        if marker in (_START_OF_SCAN, _END):
            return at - 2
        if marker in _ALONE:
            continue
        end = at + struct.unpack_from(">H", data, at)[0]
        _segment(marker, data[at + 2 : end], walk, name)
        if marker not in _APPLICATION and marker != _COMMENT:
            walk.kept.append(data[at - 2 : end])
        at = end
    raise excessive(name, Kind.JPEG, f"more than {_MOST_SEGMENTS} segments before its first scan")


def _segment(marker: int, body: bytes, walk: _Walk, name: str) -> None:
    if marker in _FRAMES:
        if walk.sampling:
            raise broken(name, Kind.JPEG)  # of two sizes
        walk.height, walk.width, count = struct.unpack_from(">HHB", body, 1)
        walk.sampling = tuple((body[7 + 3 * n] >> 4, body[7 + 3 * n] & 15) for n in range(count))
        walk.progressive = marker in _PROGRESSIVE
    elif marker == _EXIF and body.startswith(b"Exif\0") and walk.orientation == 1:
        walk.orientation = orientation_of(body)


def _scans(data: bytes, at: int, walk: _Walk, name: str) -> tuple[int, bool]:
    """Where the image ends that has its first scan at `at`, and whether its end is marked."""
    for _ in range(_MOST_SEGMENTS):
        if at + 4 > len(data):
            break
        marker = data[at + 1]
        if marker == _END:
            return at, True
        if marker == _START_OF_SCAN:
            walk.scans += 1
            walk.several = walk.several or data[at + 4 : at + 5] != bytes((len(walk.sampling),))
            if walk.scans * walk.width * walk.height > _MOST_SCANNED:
                raise excessive(
                    name, Kind.JPEG, f"more than {walk.scans - 1} scans of {walk.width} x {walk.height} pixels"
                )
        length = 0 if marker in _ALONE else struct.unpack_from(">H", data, at + 2)[0]
        found = _NEXT.search(data, at + 2 + length)
        if found is None:
            return _without_half_a_marker(data), False
        at = found.start()
    else:
        raise excessive(name, Kind.JPEG, f"more than {_MOST_SEGMENTS} segments after its first scan")
    return (at, True) if data[at : at + 2] == _EOI else (_without_half_a_marker(data), False)


def _without_half_a_marker(data: bytes) -> int:
    """Where `data` ends, but for the first half of a marker whose second is missing."""
    end = len(data)
    while data[end - 1 : end] == b"\xff":
        end -= 1
    return end


def _coefficients(sampling: tuple[tuple[int, int], ...]) -> float:
    """Bytes for each pixel of the image as coefficients, two for each sample."""
    widest, highest = max(h for h, _ in sampling), max(v for _, v in sampling)
    return sum(2.0 * h * v for h, v in sampling) / max(1, widest * highest)
