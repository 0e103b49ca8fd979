"""A little language of a few ids: a target's and a draft's law by the text before, and an answer by rejection."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from shared.speculation.coupled import Chooser
from shared.speculation.laws import SPARSE_GRAIN, Chances, DraftLaw, point, quantised
from shared.speculation.messages import Claim, Evidence, SparseLaw
from shared.speculation.rejection import Rejection
from shared.speculation.request import SamplingParameters

END = 0


@dataclass(frozen=True)
class Language:
    """Laws over `ids` ids for every text. `likeness`: from 0, unlike, to 1, the draft's law is the target's."""

    seed: int
    ids: int = 4
    likeness: float = 0.5
    length: int = 6

    def target(self, text: Sequence[int]) -> Chances:
        """The target's law after `text`; the last token is the end."""
        if len(text) >= self.length - 1:
            ended: Chances = np.where(np.arange(self.ids) == END, 1.0, 0.0)
            return ended
        return self._law("target", text)

    def draft(self, text: Sequence[int]) -> Chances:
        """The draft's."""
        return self.likeness * self.target(text) + (1 - self.likeness) * self._law("draft", text)

    def _law(self, salt: str, text: Sequence[int]) -> Chances:
        digest = hashlib.blake2b(f"{salt}{self.seed}{tuple(text)}".encode(), digest_size=8).digest()
        law: Chances = np.random.default_rng(int.from_bytes(digest)).dirichlet(np.ones(self.ids))
        return law

    def rejection(self, seed: int, evidence: Evidence, part: int = 64) -> Rejection:
        """The rule for an answer with this seed."""
        parameters = SamplingParameters(self.length, seed=seed, temperature=1.0, eos_ids=(END,))
        return Rejection(parameters, Chooser(parameters, ()), evidence, part)

    def row(self, text: Sequence[int]) -> torch.Tensor:
        """The target's logits after `text`: [ids]."""
        return torch.from_numpy(np.log(np.maximum(self.target(text), 1e-30)).astype(np.float32))

    def rows(self, before: Sequence[int], pending: Sequence[int]) -> torch.Tensor:
        """After `before` and each of `pending`: [pending + 1, ids]."""
        return torch.stack([self.row([*before, *pending[:count]]) for count in range(len(pending) + 1)])


def drafted(language: Language, evidence: Evidence, text: Sequence[int]) -> DraftLaw:
    """The law that a proposal after `text` is drawn from."""
    ids, chances = np.arange(language.ids), language.draft(text)
    match evidence:
        case Evidence.SPARSE:
            return quantised(ids, chances, SPARSE_GRAIN, most=2)
        case Evidence.POINT:
            return point(int(chances.argmax()))
        case _:
            return quantised(ids, chances)


def claim(law: DraftLaw, token: int, evidence: Evidence, rows: int) -> Claim:
    """What goes up with `token`, drawn from `law`."""
    match evidence:
        case Evidence.SCALAR:
            return Claim(probability=law.probability(token))
        case Evidence.SPARSE:
            return Claim(law=SparseLaw(tuple(law.ids.tolist()), tuple(law.counts.tolist())))
        case Evidence.DENSE:
            return Claim(law=law.row(rows))
        case Evidence.POINT:
            return Claim()
