"""What a step takes, as `batch` has chosen it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from edge_server.engine.session import Session, Work


class Look(enum.Enum):
    """By which rule a step looks at proposals."""

    WARM_UP = "warm_up"  # at all of them, while the engine learns what a token costs
    AWAY = "away"  # at none, for the same reason
    RULE = "rule"  # as far as they pay
    PROBE = "probe"  # at one of somebody for whom it does not pay, beside those that pay
    OFF = "off"  # at none: proposals are switched off


@dataclass(frozen=True)
class Plan:
    """What a step takes. `queued`: want a step and found no place in it. `followers`: are in it unasked, at its end."""

    chosen: tuple[tuple[Session, Work], ...]
    look: Look
    queued: int = 0
    followers: int = 0

    @property
    def works(self) -> list[Work]:
        """The work of all sessions, in their order."""
        return [work for _, work in self.chosen]

    def apart(self) -> Iterator[Plan]:
        """The same, each session in a step of its own."""
        return (replace(self, chosen=(each,)) for each in self.chosen)


@dataclass(frozen=True)
class Forward:
    """A forward that is over: each one's rows of logits, and how many tokens the caches held when it began."""

    plan: Plan
    rows: list[Tensor]
    begin: float
    seconds: float
    cached: int
