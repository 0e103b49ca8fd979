"""Where a target's text looks, and how much of that is asked for, value <-> protobuf."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from shared.errors import InvalidValue
from shared.shares import Count, Ratio, Share
from shared.speculation.attended import Attended, Box
from shared.wire import checks
from shared.wire.handshake import Limits
from shared.wire.v1 import verify_pb2 as pb

_BOX = struct.Struct("<4H")  # left, top, right, bottom


def encode_attend(share: Share | None) -> pb.Attend | None:
    """`share`; None stays away from the wire."""
    match share:
        case Count(tokens):
            return pb.Attend(count=tokens)
        case Ratio(part):
            return pb.Attend(part=part)
        case None:
            return None


def decode_attend(where: str, message: pb.Attend) -> Share:
    """How much a device asks for: a count, or a part from 0 to 1."""
    match message.WhichOneof("share"):
        case "count":
            return Count(checks.position(f"{where}.count", message.count))
        case "part":
            if not 0 <= message.part <= 1:  # also refuses NaN
                raise InvalidValue(f"{where}.part", message.part, "must lie between 0 and 1")
            return Ratio(message.part)
        case _:
            raise InvalidValue(f"{where}.share", checks.NOT_SET, "must be count or part")


def encode_attended(attended: Attended) -> pb.Attended:
    """`attended`."""
    return pb.Attended(
        counts=[len(boxes) for boxes in attended.pictures],
        boxes=b"".join(_BOX.pack(*box) for boxes in attended.pictures for box in boxes),
    )


def decode_attended(message: pb.Attended, limits: Limits) -> Attended:
    """Boxes on at most as many pictures as a prompt may have, no more than a prompt may have tokens."""
    checks.at_most("attended.counts", message.counts, limits.max_images, "pictures")
    total = sum(message.counts)
    if total > limits.context_length:
        told = checks.Shown(f"{total} boxes")
        raise InvalidValue("attended.counts", told, f"must be at most {limits.context_length} boxes")
    checks.exactly("attended.boxes", message.boxes, total * _BOX.size)
    boxes = _boxes(message.boxes)
    return Attended(tuple(tuple(next(boxes) for _ in range(count)) for count in message.counts))


def _boxes(data: bytes) -> Iterator[Box]:
    for at, (left, top, right, bottom) in enumerate(_BOX.iter_unpack(data)):
        if left > right or top > bottom:
            rule = "must have left <= right and top <= bottom"
            raise InvalidValue(f"attended.boxes[{at}]", checks.Shown(f"{left} {top} {right} {bottom}"), rule)
        yield left, top, right, bottom
