"""Paired blocks: each question is asked both ways, one right after the other, who is first alternating (A B B A ...).

Guarantees: a machine that slows down or speeds up slowly moves both of a pair alike, and neither way comes first more
often. Intervals are bootstrap percentiles over pairs, the same for the same pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np

RESAMPLES = 10_000
Way = TypeVar("Way")


@dataclass(frozen=True)
class Estimate:
    """The median of pairs, and where it lies with 95 % confidence."""

    middle: float
    low: float
    high: float

    def said(self, form: str = ".2f") -> str:
        """`1.63 [1.58, 1.70]`"""
        return f"{self.middle:{form}} [{self.low:{form}}, {self.high:{form}}]"


def in_turn(one: Way, other: Way, pairs: int) -> Iterator[tuple[int, tuple[Way, Way]]]:
    """The number of each pair, and its two ways in the order in which they are asked."""
    for number in range(pairs):
        yield number, ((one, other) if number % 2 == 0 else (other, one))


def of_pairs(values: Sequence[float]) -> Estimate:
    """The median of one value for each pair. Raises ValueError if there are none."""
    drawn = np.random.default_rng(0).choice(np.asarray(values), (RESAMPLES, len(values)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return Estimate(median(values), float(low), float(high))
