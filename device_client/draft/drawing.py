"""How a device chooses a token from a row, and what goes up with it: by the rule that judges it, and by the gate.

Guarantees: by the rule rejection the proposal is drawn from the very law that is kept for its correction and told to
the edge; with the coupled rule and no gate a proposal is an id and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from device_client.draft.gate import Gate
from shared.speculation.coupled import MOST_GAP, Choice, Chooser
from shared.speculation.laws import SPARSE_GRAIN, SPARSE_IDS, Chances, DraftLaw, Ids, point, quantised
from shared.speculation.marks import Mark
from shared.speculation.messages import COUPLED, Claim, Evidence, Judging, Rule, SparseLaw
from shared.speculation.noise import Domain, gumbel

LIKELY = 32  # of a draft's ids may be a correction


@dataclass(frozen=True)
class Drawing:
    """`judging`: how the edge judges. `gate`: lossy; None compares every token."""

    judging: Judging = COUPLED
    gate: Gate | None = None

    def draw(self, chooser: Chooser, row: Tensor, text: Sequence[int]) -> tuple[Choice, Mark | None]:
        """The token after output tokens `text`, and what is kept of it beside the id; None for a plain session."""
        if self.judging.plain:
            return chooser.weigh(row, text), None
        choice, mark = self._drawn(chooser, row, text)
        if self.gate is not None:
            logits = chooser.logits(row, text)
            if self.gate.lets_through(choice, logits, chooser.temperature):
                mark = replace(mark, claim=Claim(given=True))
        return choice, mark

    def _drawn(self, chooser: Chooser, row: Tensor, text: Sequence[int]) -> tuple[Choice, Mark]:
        if self.judging.rule is Rule.COUPLED:
            return chooser.weigh(row, text), Mark(Claim())
        ids, chances = chooser.law(row, text)
        match self.judging.evidence:
            case Evidence.POINT:
                law = point(int(ids[chances.argmax()]))
            case Evidence.SPARSE:
                law = quantised(ids, chances, SPARSE_GRAIN, SPARSE_IDS)
            case Evidence.SCALAR | Evidence.DENSE:
                law = quantised(ids, chances)
        token = law.draw(chooser.seed, len(text))
        if chooser.temperature == 0:
            choice = chooser.weigh(row, text)  # the law is a point, and does not say how sure the draft is
        else:
            choice = _choice(law, token, likely_correction(ids, chances, token, chooser.seed, len(text)))
        return choice, Mark(self._claim(law, token, len(row)), law)

    def _claim(self, law: DraftLaw, token: int, rows: int) -> Claim:
        match self.judging.evidence:
            case Evidence.SCALAR:
                return Claim(probability=law.probability(token))
            case Evidence.POINT:
                return Claim()
            case Evidence.SPARSE:
                return Claim(law=SparseLaw(tuple(law.ids.tolist()), tuple(law.counts.tolist())))
            case Evidence.DENSE:
                return Claim(law=law.row(rows))


def likely_correction(ids: Ids, chances: Chances, token: int, seed: int, position: int) -> int | None:
    """What most likely takes the place of `token`, should it fall at output position `position`; None: no other can.

    ids: [n], ascending, and chances: [n], the draft's law. What is left of the target's law is not known here, so the
    draft's stands in; of its likeliest others that one wins which the noise of a correction prefers.
    """
    others = np.flatnonzero(ids != token)
    if len(others) > LIKELY:
        others = np.sort(others[np.argpartition(-chances[others], LIKELY)[:LIKELY]])
    if not len(others):
        return None
    scores = np.log(chances[others]) + gumbel(seed, position, ids[others], domain=Domain.RESIDUAL)
    return int(ids[others[scores.argmax()]])


def _choice(law: DraftLaw, token: int, runner_up: int | None) -> Choice:
    """How sure the draft is of `token`, drawn from `law`: there is no noise in the gap, for the draw is no argmax."""
    chances = law.counts / law.grain
    own = law.probability(token)
    best = float(np.where(law.ids == token, 0.0, chances).max())
    gap = min(MOST_GAP, max(0.0, math.log(own / best))) if best > 0 else MOST_GAP
    return Choice(token, runner_up, gap, float(-(chances @ np.log(chances))), own)
