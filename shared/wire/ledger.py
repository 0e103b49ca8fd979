"""Counts what one end's streams put on the wire: messages, payload bytes and framed bytes, by direction and kind.

payload: the serialized protobuf messages. framed: payload, 5 bytes of gRPC prefix a message, and 9 bytes for each
HTTP/2 DATA frame of 16384 bytes that a message starts. Not in framed: HTTP/2 headers, SETTINGS, PING and
WINDOW_UPDATE, TCP/IP, TLS, and what gRPC saves by putting several small messages into one frame.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from shared.wire.v1 import verify_pb2 as pb

PREFIX_BYTES = 5  # compressed flag and length of a gRPC message
FRAME_BYTES = 16384  # HTTP/2's SETTINGS_MAX_FRAME_SIZE unless the ends agree on more
FRAME_HEADER_BYTES = 9
PICTURE_KIND = "image_chunk"


class Direction(enum.Enum):
    """Up: device to edge. Down: edge to device."""

    UP = "up"
    DOWN = "down"


def framed(payload: int) -> int:
    """Bytes of a message of `payload` bytes with its gRPC prefix and the headers of its DATA frames."""
    prefixed = payload + PREFIX_BYTES
    return prefixed + FRAME_HEADER_BYTES * -(-prefixed // FRAME_BYTES)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many messages, with how many bytes."""

    messages: int = 0
    payload: int = 0
    framed: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.messages + other.messages, self.payload + other.payload, self.framed + other.framed)


@dataclass(frozen=True, slots=True)
class Entry:
    """The tally of one kind of message (its name in the proto's payload) in one direction."""

    direction: Direction
    kind: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Traffic:
    """A snapshot: at most one entry for each direction and kind, in a fixed order, so that equal traffic is equal."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Traffic:
        """`entries` with those of one direction and kind added up."""
        tallies: dict[tuple[Direction, str], Tally] = {}
        for entry in entries:
            key = (entry.direction, entry.kind)
            tallies[key] = tallies.get(key, Tally()) + entry.tally
        ordered = sorted(tallies.items(), key=lambda item: (item[0][0].value, item[0][1]))
        return cls(tuple(Entry(direction, kind, tally) for (direction, kind), tally in ordered))

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic.of(self.entries + other.entries)

    @property
    def up(self) -> Tally:
        """Everything from device to edge."""
        return _total(entry for entry in self.entries if entry.direction is Direction.UP)

    @property
    def down(self) -> Tally:
        """Everything from edge to device."""
        return _total(entry for entry in self.entries if entry.direction is Direction.DOWN)

    @property
    def total(self) -> Tally:
        """Everything."""
        return _total(self.entries)

    @property
    def beside_pictures(self) -> Traffic:
        """This traffic without the pictures' bytes: what speculation itself costs."""
        return Traffic(tuple(entry for entry in self.entries if entry.kind != PICTURE_KIND))

    def kind(self, kind: str) -> Tally:
        """The messages of one kind; a kind that never came has none."""
        return _total(entry for entry in self.entries if entry.kind == kind)


class Ledger:
    """Counts messages as they pass, and in `whole` too, of which it is a part. The snapshots it gives are values."""

    def __init__(self, whole: Ledger | None = None) -> None:
        self._whole = whole
        self._tallies: dict[tuple[Direction, str], Tally] = {}

    def count(self, message: pb.VerifyRequest | pb.VerifyResponse) -> None:
        """Counts `message`, sent or received: a request is up, a response down. No payload counts as `unknown`."""
        direction = Direction.UP if isinstance(message, pb.VerifyRequest) else Direction.DOWN
        key = (direction, message.WhichOneof("payload") or "unknown")
        payload = message.ByteSize()
        self._add(key, Tally(1, payload, framed(payload)))

    def _add(self, key: tuple[Direction, str], tally: Tally) -> None:
        self._tallies[key] = self._tallies.get(key, Tally()) + tally
        if self._whole is not None:
            self._whole._add(key, tally)

    def traffic(self) -> Traffic:
        """What has passed so far."""
        return Traffic.of(Entry(direction, kind, tally) for (direction, kind), tally in self._tallies.items())


def _total(entries: Iterable[Entry]) -> Tally:
    return sum((entry.tally for entry in entries), Tally())
