"""The chance that a proposal stands, exactly, from the two laws at a position.

Coupled: both ends choose by shared Gumbel noise, and agree with chance sum over v of 1 / sum over w of
max(target_w / target_v, draft_w / draft_v) (Daliri, Musco, Suresh, arXiv 2408.07978). Rejection: sum of
min(target, draft), of the law that the proposal is drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.speculation.laws import SPARSE_GRAIN, SPARSE_IDS, Chances, Ids, point, quantised

_LEAST = 1e-9  # an id less likely than that in one of the laws adds less than that to the agreement


@dataclass(frozen=True)
class Chances4:
    """The chance that a proposal stands at one position, by rule and evidence."""

    coupled: float
    dense: float
    sparse: float
    point: float


def coupled(target: Chances, draft: Chances) -> float:
    """target, draft: [ids], each sums to 1."""
    both = np.flatnonzero(np.minimum(target, draft) > _LEAST)
    ratios = np.maximum(target[None, :] / target[both, None], draft[None, :] / draft[both, None])
    return float((1 / ratios.sum(1)).sum())


def chances(target: tuple[Ids, Chances], draft: tuple[Ids, Chances], rows: int) -> Chances4:
    """From ids and their chances, as a chooser tells them. `rows`: how many ids there are."""
    own, theirs = np.zeros(rows), np.zeros(rows)
    own[target[0]], theirs[draft[0]] = target[1], draft[1]
    every = np.arange(rows)
    dense = quantised(*draft).at(every)
    sparse = quantised(*draft, SPARSE_GRAIN, SPARSE_IDS).at(every)
    best = point(int(draft[0][draft[1].argmax()])).at(every)
    return Chances4(coupled(own, theirs), *(float(np.minimum(own, law).sum()) for law in (dense, sparse, best)))
