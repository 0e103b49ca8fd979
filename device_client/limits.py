"""What an edge would refuse is refused here, before a byte of it is sent: by the edge's own checks and limits."""

from __future__ import annotations

from shared.errors import InvalidValue
from shared.wire.checks import rebuilt
from shared.wire.codec import decode_request, encode_request
from shared.wire.handshake import Limits, Open

_INSIDE = "open."  # the name of the message, which whoever asks does not know


def check_opening(opening: Open, limits: Limits) -> None:
    """Raise what the edge with these `limits` would say to `opening`: InvalidValue, Unsupported."""
    try:
        decode_request(encode_request(opening), limits)
    except InvalidValue as refused:
        told = rebuilt(type(refused), str(refused).removeprefix(_INSIDE))
        told.field = None if refused.field is None else refused.field.removeprefix(_INSIDE)
        raise told from None
