"""How likely a drafted token stands, from how sure the draft was, learned from what stood.

A logistic in the gap of the two best noised scores, the law's entropy and the probability of the token, fitted online:
one Newton step for each token that the text decided, older ones discounted (the Laplace approximation as an extended
Kalman filter). Depth needs no fit of its own: that a token stands if all before it do depends on the text alone, not on
where the path began; so what is learned at shallow places holds at deep ones, and these do not starve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.speculation.coupled import Choice

_MEMORY = 0.995  # discount of older tokens: about the last two hundred count
_FIRST = (-1.0, 1.4, -0.5, 0.5)  # before anything was seen: sure tokens stand, of unsure ones every second
_DOUBT = (1.0, 0.5, 0.5, 0.5)  # variance of those
_MOST_DOUBT = 4.0
_LEAST_SPREAD = 0.01
_FARTHEST = 2.0
_LEAST, _MOST = 0.01, 0.995
_TYPICAL_MEMORY = 0.98


class Calibration:
    """Learns over any number of answers. `typical`: the running share of tokens that stood.

    `second`: that of corrections that were the second-best noised token.
    """

    def __init__(self) -> None:
        self.typical = 0.75
        self.second = 0.5
        self._weights: NDArray[np.float64] = np.array(_FIRST)
        self._doubt: NDArray[np.float64] = np.diag(_DOUBT).astype(np.float64)
        self._plain = list(_FIRST)

    def chance(self, choice: Choice) -> float:
        """That this token stands if those before it do."""
        features = _features(choice)
        score = sum(weight * feature for weight, feature in zip(self._plain, features, strict=True))
        return min(_MOST, max(_LEAST, _logistic(score)))

    def corrected(self, choice: Choice, token: int) -> None:
        """The text has `token` in place of a choice that fell."""
        self.second = _TYPICAL_MEMORY * self.second + (1 - _TYPICAL_MEMORY) * (token == choice.runner_up)

    def saw(self, choice: Choice, *, stood: bool) -> None:
        """The text decided a token, those before it having stood."""
        self.typical = _TYPICAL_MEMORY * self.typical + (1 - _TYPICAL_MEMORY) * stood
        row = np.array(_features(choice))
        guess = _logistic(float(self._weights @ row))
        doubt = self._doubt / _MEMORY
        direction = doubt @ row
        reach = float(row @ direction)  # the doubt about the score
        spread = max(guess * (1 - guess), _LEAST_SPREAD)
        move = (stood - guess) / (1 + spread * reach)
        # Far from the data Newton's step overshoots: the score moves by so much at most.
        move = max(-_FARTHEST / reach, min(_FARTHEST / reach, move))
        self._weights = self._weights + direction * move
        self._doubt = doubt - np.outer(direction, direction) * (spread / (1 + spread * reach))
        excess = np.maximum(1.0, np.sqrt(np.diag(self._doubt) / _MOST_DOUBT))
        self._doubt = self._doubt / np.outer(excess, excess)  # features that do not vary must not be forgotten for good
        self._plain = self._weights.tolist()


def survival(chances: Sequence[float]) -> float:
    """That all of them stand."""
    return math.prod(chances)


def _features(choice: Choice) -> tuple[float, float, float, float]:
    return 1.0, math.log1p(choice.gap), choice.entropy, choice.probability


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
