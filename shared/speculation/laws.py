"""The laws that the rejection rule weighs: a draft's on a grid, from which it drew, and a target's in float32.

Guarantees: a draft's probabilities are whole numbers over a power of two, so they sum to exactly 1, a scalar of float32
carries each without rounding, and a draw in whole numbers follows the law to the last bit. Sending less of a law than
there was (truncate, quantise) costs acceptance and no exactness, for the draw comes from what is sent
(Quantize-Sample-and-Verify, arXiv 2507.00605).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.speculation.noise import Domain, word

Ids = NDArray[np.int64]
Chances = NDArray[np.float64]

GRAIN = 2**24  # of a law that stays on the device, or goes up whole: float32 holds every multiple of its inverse
SPARSE_GRAIN = 2**12  # of a law that goes up as ids and counts: two bytes a count
SPARSE_IDS = 64  # of such a law, at most


@dataclass(frozen=True, eq=False)
class DraftLaw:
    """A law on a grid. ids: [n], ascending; counts: [n], above 0; they sum to a power of two, at most GRAIN."""

    ids: Ids
    counts: Ids

    @property
    def grain(self) -> int:
        """What the counts sum to."""
        return int(self.counts.sum())

    def probability(self, token: int) -> float:
        """That of `token`; 0 outside the law. Exact in float32."""
        return float(self.at(np.array([token]))[0])

    def at(self, ids: Ids) -> Chances:
        """The probabilities of `ids`: [ids]."""
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: Chances = np.where(self.ids[places] == ids, self.counts[places], 0) / self.grain
        return found

    def draw(self, seed: int, position: int) -> int:
        """The draft's proposal at output position `position`."""
        return self.drawn(word(seed, position, Domain.DRAFT))

    def drawn(self, bits: int) -> int:
        """The id that 32 random bits stand for: their head, as a number below the grain, counts through the ids."""
        place = bits >> (32 - (self.grain.bit_length() - 1))
        return int(self.ids[np.searchsorted(np.cumsum(self.counts), place, side="right")])

    def row(self, rows: int) -> bytes:
        """The whole law as `rows` numbers of float32, little-endian."""
        dense = np.zeros(rows, "<f4")
        dense[self.ids] = self.counts / self.grain
        return dense.tobytes()


def quantised(ids: Ids, chances: Chances, grain: int = GRAIN, most: int | None = None) -> DraftLaw:
    """The nearest law on the grid, of the `most` likeliest ids (ties to the lowest) or of all.

    ids: [n], ascending; chances: [n], in proportion. Counts are rounded down, and what is missing goes to the largest
    remainders.
    """
    if most is not None and most < len(ids):
        kept = np.sort(np.argsort(-chances, kind="stable")[:most])
        ids, chances = ids[kept], chances[kept]
    scaled = chances / chances.sum() * grain
    counts = np.floor(scaled).astype(np.int64)
    missing = grain - int(counts.sum())
    if missing > 0:
        counts[np.argsort(counts - scaled, kind="stable")[:missing]] += 1
    elif missing < 0:  # a sum that rounding has lifted above the whole
        counts[counts.argmax()] += missing
    there = counts > 0
    return DraftLaw(ids[there], counts[there])


def point(token: int) -> DraftLaw:
    """All on one id: a proposal that was not drawn."""
    return DraftLaw(np.array([token]), np.ones(1, np.int64))


def of_row(row: bytes) -> DraftLaw:
    """The law that `DraftLaw.row` has written, of any grain."""
    dense = np.frombuffer(row, "<f4").astype(np.float64)
    ids = np.flatnonzero(dense)
    return DraftLaw(ids, np.rint(dense[ids] * GRAIN).astype(np.int64))


@dataclass(frozen=True, eq=False)
class TargetLaw:
    """A target's law, as both ends compute with it. ids: [n], ascending; chances: [n], numbers of float32.

    float32 rounds each by 6e-8 of itself at most: the law of a text is the target's to that, like its logits.
    """

    ids: Ids
    chances: Chances

    @classmethod
    def rounded(cls, ids: Ids, chances: Chances) -> TargetLaw:
        """What float32 makes of it; ids that it takes for impossible are left out."""
        kept = chances.astype(np.float32).astype(np.float64)
        return cls(ids[kept > 0], kept[kept > 0])

    def probability(self, token: int) -> float:
        """That of `token`; 0 outside the law."""
        place = int(np.searchsorted(self.ids, token))
        return float(self.chances[place]) if place < len(self.ids) and self.ids[place] == token else 0.0
