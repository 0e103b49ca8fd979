"""What a device wishes of a session, what of that this edge grants, and what the engine is then asked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from PIL import Image

from edge_server.engine.port import Request
from shared.errors import Unsupported
from shared.logs import REQUEST
from shared.shares import Share
from shared.speculation.messages import Pace, Rule
from shared.wire.handshake import DeviceProfile, Open


def pace_of(device: DeviceProfile, offered: Sequence[Pace]) -> Pace:
    """The pace that holds. Raises Unsupported.

    By the rule rejection it is thrifty: an edge that steps on its own would decide places whose proposals are on their
    way, and it must wait for corrections.
    """
    wished = device.pace
    if device.judging.rule is Rule.REJECTION:
        if wished not in (None, Pace.THRIFTY):
            raise Unsupported(f"open.device.pace is {wished.value}: the rule rejection goes at the pace thrifty only")
        wished = Pace.THRIFTY
    if wished is not None and wished not in offered:
        names = " or ".join(pace.value for pace in offered)
        raise Unsupported(f"open.device.pace is {wished.value}: this edge steps at the pace {names} only")
    return wished or offered[0]


def check_judging(device: DeviceProfile, offered: Sequence[Rule], *, lossy: bool) -> None:
    """Refuse a rule that the engine does not offer, and a gate where the edge is lossless. Raises Unsupported."""
    rule = device.judging.rule
    if rule not in offered:
        names = " or ".join(rule.value for rule in offered)
        raise Unsupported(f"open.device.rule is {rule.value}: this edge verifies with the rule {names} only")
    if device.judging.lossy and not lossy:
        raise Unsupported("open.device.lossy is set: this edge compares every token (edge-server --allow-lossy)")


def check_attend(share: Share | None, *, attends: bool) -> None:
    """Refuse to tell where the target looks if this edge is not to. Raises Unsupported."""
    if share is not None and not attends:
        raise Unsupported("open.attend is set: this edge does not tell where its target looks (edge-server --attends)")


def engine_request(opening: Open, images: tuple[Image.Image, ...], pace: Pace, tenant: str) -> Request:
    """What the engine is asked, by a device of `tenant`, with a seed for whoever has given none."""
    return Request(
        opening.messages,
        images,
        opening.sampling,
        secrets.randbits(64),
        pace,
        opening.committed,
        tuple(reference.digest for reference in opening.images),
        opening.log_probabilities,
        tenant,
        opening.trace,
        opening.device.judging,
        REQUEST.get(),
        opening.attend,
    )
