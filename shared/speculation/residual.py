"""What is left of a target's law where a proposal was rejected, and the correction that is drawn from it.

Guarantees: the correction is the same wherever it is drawn, from the whole law or from a part of it that is enough.
What is not known here: whether a proposal stands (`rejection`), and who asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.speculation.laws import Chances, DraftLaw, Ids, TargetLaw
from shared.speculation.messages import ResidualRow
from shared.speculation.noise import Domain, gumbel

RESIDUAL_IDS = 32  # of the target's row go down after a rejection; seldom is that not enough


@dataclass(frozen=True, eq=False)
class Rejected:
    """A proposal at `position` was rejected, where the target's law is `law`; the device is to draw the correction.

    `part`: how many ids of the law go down at first.
    """

    law: TargetLaw
    seed: int
    position: int
    part: int = RESIDUAL_IDS

    def row(self) -> ResidualRow:
        """What goes down: the ids that win most easily, by the noise that both ends know; all if they are not more."""
        ids, chances = self.law.ids, self.law.chances
        if len(ids) <= self.part:
            return self.whole_row()
        scores = np.log(chances) + _noise(self.seed, self.position, ids)
        kept = np.sort(np.argpartition(-scores, self.part)[: self.part])
        return ResidualRow(tuple(ids[kept].tolist()), tuple(chances[kept].tolist()), partial=True)

    def whole_row(self) -> ResidualRow:
        """The whole law."""
        return ResidualRow(tuple(self.law.ids.tolist()), tuple(self.law.chances.tolist()))


def residual(target: Chances, draft: Chances) -> Chances:
    """What is left of the target's law, in proportion: max(0, target - draft), id by id."""
    left: Chances = np.maximum(target - draft, 0.0)
    return left


def drawn(law: TargetLaw, draft: DraftLaw, seed: int, position: int) -> int:
    """The correction at `position`, where a proposal of `draft` was rejected."""
    scores = _scores(law.ids, residual(law.chances, draft.at(law.ids)), seed, position)
    if not np.isfinite(scores.max()):  # the laws differ by less than float32 tells
        scores = _scores(law.ids, law.chances, seed, position)
    return int(law.ids[scores.argmax()])


def corrected(row: ResidualRow, draft: DraftLaw, seed: int, position: int) -> int | None:
    """The same from what the edge has said of its law; None if that is not enough to tell.

    No id left out of a partial row scores better by the target's law than all that are in it, and what is left of a
    law is at most the law: so an id that wins among those in it, and beats the worst of them, wins.
    """
    law = TargetLaw(np.array(row.ids, np.int64), np.array(row.probabilities, np.float64))
    if not row.partial:
        return drawn(law, draft, seed, position)
    scores = _scores(law.ids, residual(law.chances, draft.at(law.ids)), seed, position)
    worst = _scores(law.ids, law.chances, seed, position).min()
    return int(law.ids[scores.argmax()]) if scores.max() > worst else None


def _scores(ids: Ids, chances: Chances, seed: int, position: int) -> Chances:
    """Gumbel's way to draw an id in proportion to `chances`: the best score has it."""
    with np.errstate(divide="ignore"):
        scores: Chances = np.log(chances) + _noise(seed, position, ids)
    return scores


def _noise(seed: int, position: int, ids: Ids) -> Chances:
    return gumbel(seed, position, ids, domain=Domain.RESIDUAL)
