"""What a device keeps of an id on its path beside the id, in a session that does more than compare."""

from __future__ import annotations

from dataclasses import dataclass

from shared.speculation.laws import DraftLaw
from shared.speculation.messages import Claim


@dataclass(frozen=True, eq=False, slots=True)
class Mark:
    """`claim`: what goes up with it. `law`: that it was drawn from, to correct it by."""

    claim: Claim
    law: DraftLaw | None = None


CORRECTION = Mark(Claim(given=True, corrects=True))
