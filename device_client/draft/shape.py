"""Which shape a draft tree takes: what its branches are weighed by, how many there are, and how unlikely one may be.

Ours weighs by calibrated chances. The field's rules were made for drafts that are told apart by their probabilities
alone, and for trees that are built in rounds; here they order the same branches (`branching`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from device_client.draft.names import TreeShape
from shared.speculation.coupled import Choice

LEAST = 0.03  # chance of a branch, below which it is not drafted


class Shape(Protocol):
    """A rule. `chance`: that a token stands, as calibrated; `second`: that a correction is the second-best token."""

    def odds(self, choice: Choice, chance: float, second: float) -> tuple[float, float]:
        """The weights of going on with this token, and of straying from it by the second-best one."""

    def bar(self, depth: int, path: int) -> float:
        """The weight that a token at this depth (0: the first) of a tree must have, beside a path of so many."""

    def width(self, choices: Sequence[Choice], most: int) -> int:
        """How many branches there are at a time, `most` at most."""


class Best:
    """The likeliest first, by what stood before."""

    def odds(self, choice: Choice, chance: float, second: float) -> tuple[float, float]:
        """As the port says."""
        return chance, (1 - chance) * second

    def bar(self, depth: int, path: int) -> float:
        """As the port says."""
        return LEAST

    def width(self, choices: Sequence[Choice], most: int) -> int:
        """As the port says."""
        return most


class Eagle2:
    """The product of the draft's own probabilities along the way (EAGLE-2, arXiv 2406.16858).

    That of the second-best token is probability * exp(-gap), exactly so at temperature 0, where the gap is of logits.
    """

    def odds(self, choice: Choice, chance: float, second: float) -> tuple[float, float]:
        """As the port says."""
        return choice.probability, min(1 - choice.probability, choice.probability * math.exp(-choice.gap))

    def bar(self, depth: int, path: int) -> float:
        """None: so many tokens are taken, the best ones."""
        return 0.0

    def width(self, choices: Sequence[Choice], most: int) -> int:
        """As the port says."""
        return most


class Sage(Eagle2):
    """Narrow where the draft is sure, wide where it is not (SAGE, arXiv 2602.00523).

    width = 2 + H / ln 10 * (10 - 2) with the mean entropy H of the path, capped; a token l deep in a tree D deep needs
    a probability along its way above 0.1 l / D. The paper's H is of the ten likeliest tokens and of the round before.
    """

    NARROW, WIDE, BAR = 2, 10, 0.1

    def bar(self, depth: int, path: int) -> float:
        """As the port says."""
        return self.BAR * (depth + 1) / max(1, path)

    def width(self, choices: Sequence[Choice], most: int) -> int:
        """As the port says."""
        entropy = sum(choice.entropy for choice in choices) / len(choices) if choices else 0.0
        unsure = min(1.0, entropy / math.log(10))
        return min(most, round(self.NARROW + unsure * (self.WIDE - self.NARROW)))


SHAPES: Mapping[TreeShape, Shape] = {"best": Best(), "eagle2": Eagle2(), "sage": Sage()}
