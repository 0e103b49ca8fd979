"""What a device may wish for and gets, or is refused by name."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Unsupported
from shared.speculation.messages import Pace
from shared.speculation.prints import fit
from shared.vlm.port import ModelInfo
from shared.wire.handshake import DeviceProfile, Rule


def pace_of(device: DeviceProfile, offered: Sequence[Pace]) -> Pace:
    """The pace that holds. Raises Unsupported."""
    if device.pace is not None and device.pace not in offered:
        names = " or ".join(pace.value for pace in offered)
        raise Unsupported(f"open.device.pace is {device.pace.value}: this edge steps at the pace {names} only")
    return device.pace or offered[0]


def common_ids(info: ModelInfo, device: DeviceProfile) -> int:
    """How many ids the device may propose. Raises ModelMismatch, Unsupported."""
    if device.rule is not Rule.COUPLED:
        raise Unsupported(f"open.device.rule is {device.rule.value}: this edge verifies with the rule coupled only")
    if device.vocabulary is None:
        return 0
    return min(fit(device.vocabulary, info.prints.vocabulary), info.rows)
