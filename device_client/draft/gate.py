"""The lossy gate: which proposals go up as given, to be taken without comparing. Off unless a person asks for it.

Guarantees: whatever it lets through is counted as unverified by the edge, and the result says so. The rules are
baselines of the field in our reading; none of them keeps the target's text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_client.draft.names import GateRule
from shared.speculation.coupled import Choice

_TEMPERATURES = np.linspace(0.1, 2.0, 20)


@dataclass(frozen=True)
class Gate:
    """Lets a token through by `rule` and `threshold`.

    margin: the gap of the two best scores, noise included (`Choice.gap`), is above it. probability: the two likeliest
    tokens are further apart than that, p1 - p2 (CoVSpec, arXiv 2605.02218). uncertainty: the share of draws at 20
    temperatures up to 2 that would differ from the token is at most that (U-HLM, arXiv 2412.12687; in place of one draw
    at each temperature stands its chance).
    """

    rule: GateRule
    threshold: float

    def lets_through(self, choice: Choice, logits: NDArray[np.float64], temperature: float) -> bool:
        """Whether the chosen token needs no comparing. logits: [rows], processed, at most -inf where masked."""
        match self.rule:
            case "margin":
                return choice.gap > self.threshold
            case "probability":
                law = _softmax(logits, temperature or 1.0)
                second, first = np.partition(law, -2)[-2:]
                return bool(first - second > self.threshold)
            case "uncertainty":
                return uncertainty(logits, choice.token) <= self.threshold


def uncertainty(logits: NDArray[np.float64], token: int) -> float:
    """The expected share of draws, one at each of 20 temperatures up to 2, that are not `token`."""
    return float(np.mean([1 - _softmax(logits, temperature)[token] for temperature in _TEMPERATURES]))


def _softmax(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        mass: NDArray[np.float64] = np.exp((logits - logits.max()) / temperature)
    law: NDArray[np.float64] = mass / mass.sum()
    return law
