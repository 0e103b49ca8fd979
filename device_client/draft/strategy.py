"""Which policy drafts, at what prices, and how tokens are handed over: what a person may choose, made into objects."""

from __future__ import annotations

from dataclasses import dataclass

from device_client.draft.marginal import Marginal
from device_client.draft.names import PolicyName, Preference
from device_client.draft.policy import Handing, Policy
from device_client.draft.prices import PRICES
from device_client.draft.stopping import Confidence, EntropyBound, EntropyDepth, Fixed, MovingAverage, Unsure
from shared.speculation.messages import Pace


@dataclass(frozen=True)
class Strategy:
    """`prefer` sets the prices of `marginal`. `lockstep`: draft, send, wait for the commit.

    `branching`: draft from likely corrections too.
    """

    policy: PolicyName = "marginal"
    prefer: Preference = "speed"
    lockstep: bool = False
    branching: bool = True

    def begin(self, window: int) -> Policy:
        """A policy for one answer."""
        match self.policy:
            case "marginal":
                return Marginal(PRICES[self.prefer])
            case "fixed":
                return Fixed(window)
            case "confidence":
                return Confidence()
            case "adaedl":
                return EntropyBound()
            case "sage":
                return EntropyDepth()
            case "average":
                return MovingAverage()
            case "unsure":
                return Unsure()

    def handing(self, pace: Pace) -> Handing:
        """How tokens go out to an edge of this pace."""
        if self.lockstep:
            return Handing.LOCKSTEP
        return Handing.STREAM if pace is Pace.EAGER else Handing.HOLD
