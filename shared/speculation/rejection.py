"""The rule rejection: a proposal stands with chance min(1, target / draft); else the text goes on from what is left.

Guarantees: whatever the draft's law, the text follows the target's. Each draw is a function of (seed, position) and of
the two laws there, so a seed gives one text for a pair of models, on any link. Formulas: Leviathan, Kalman, Matias,
"Fast inference from transformers via speculative decoding", arXiv 2211.17192; the correction on the device: DSSD,
arXiv 2507.12000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from shared.speculation.coupled import Chooser
from shared.speculation.laws import DraftLaw, TargetLaw, of_row, point
from shared.speculation.messages import Claim, Evidence, SparseLaw
from shared.speculation.noise import Domain, word
from shared.speculation.pending import Pending
from shared.speculation.request import SamplingParameters
from shared.speculation.residual import RESIDUAL_IDS, Rejected, drawn


@dataclass(frozen=True)
class Verified:
    """What a step adds, and the rejection that it ended with, if the device is to correct that."""

    tokens: list[int]
    rejected: Rejected | None = None


class Rejection:
    """Judges the proposals of one answer, whose processing of rows is `chooser`'s.

    `part`: ids of the target's law that go down after a rejection.
    """

    def __init__(
        self, parameters: SamplingParameters, chooser: Chooser, evidence: Evidence, part: int = RESIDUAL_IDS
    ) -> None:
        self._seed = parameters.seed
        self._ends = parameters.end_ids
        self._chooser = chooser
        self._evidence = evidence
        self._part = part

    def verify(self, rows: Tensor, pending: Pending, before: Sequence[int]) -> Verified:
        """The proposals that stand, and what follows them.

        rows: [pending + 1, rows]. That is a correction where the edge knows the draft's law; a token of the target's
        own where nothing was pending, or all of a closed block has stood. What it follows from the device's correction
        is not judged again, nor is what the lossy gate has given.
        """
        text = list(before)
        for row, token, claim in zip(rows, pending.ids, pending.claims, strict=False):
            if not claim.given:
                law = TargetLaw.rounded(*self._chooser.law(row, text))
                if not self._stands(law, token, claim, len(text)):
                    return self._corrected(law, token, claim, text, len(before))
            text.append(token)
            if token in self._ends:
                return Verified(text[len(before) :])
        if not pending.ids or pending.closed:
            text.append(self._chooser.choose(rows[-1], text))
        return Verified(text[len(before) :])

    def _stands(self, law: TargetLaw, token: int, claim: Claim, position: int) -> bool:
        told = claim.probability
        draft = _law(claim, token).probability(token) if told is None else told
        return stands(law.probability(token), draft, word(self._seed, position, Domain.ACCEPT))

    def _corrected(self, law: TargetLaw, token: int, claim: Claim, text: list[int], begin: int) -> Verified:
        rejected = Rejected(law, self._seed, len(text), self._part)
        if self._evidence is Evidence.SCALAR:
            return Verified(text[begin:], rejected)
        correction = drawn(law, _law(claim, token), self._seed, len(text))
        return Verified([*text[begin:], correction])


def stands(target: float, draft: float, bits: int) -> bool:
    """Whether a proposal stands: with chance min(1, target / draft), over 32 random bits."""
    return (bits + 0.5) / 2.0**32 * draft < target


def _law(claim: Claim, token: int) -> DraftLaw:
    match claim.law:
        case SparseLaw(ids, counts):
            return DraftLaw(np.array(ids, np.int64), np.array(counts, np.int64))
        case bytes() as row:
            return of_row(row)
        case None:
            return point(token)
