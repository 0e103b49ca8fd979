"""How many visual tokens to keep: what was wished, or as many as pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor

from device_client.prune.wish import Auto, Budget
from shared.shares import Count, Ratio, share_of

PREFILL_SECONDS = 0.2  # that a draft may take to read its prompt before tokens are left out
ENERGY = 0.9  # of the features' variance, that the kept tokens must be able to span


@dataclass(frozen=True)
class Situation:
    """`tokens`: visual tokens there are. `token_seconds`: what the draft's prefill takes for each, as far as known."""

    tokens: int
    token_seconds: float


def tokens_to_keep(budget: Budget, situation: Situation, features: Tensor) -> int:
    """From 0 to all of them; a ratio that is not 0 keeps at least one."""
    match budget:
        case Count() | Ratio():
            return share_of(budget, situation.tokens)
        case Auto():
            return automatic(situation, features)
        case _:
            assert_never(budget)


def automatic(situation: Situation, features: Tensor) -> int:
    """All, while the draft reads them within `PREFILL_SECONDS`; else as many as it does, at least the spectral count.

    Why: a token left out costs acceptance in the whole answer, and saves prefill once. While the edge gets the picture,
    sees it and reads the prompt, half a second say, nobody waits for the draft, and what is left of that after reading
    goes into a window of proposals. At the paper's cost ratio, whatever a token takes to read, the best of the measured
    budgets is the one that is read within 0.1 to 0.2 s (docs/pruning.md). The floor: fewer tokens than directions with
    90 % of the features' variance cannot span what the picture holds (as E-AdaPrune, arXiv 2603.05950).
    """
    affordable = int(PREFILL_SECONDS / situation.token_seconds) if situation.token_seconds > 0 else situation.tokens
    if affordable >= situation.tokens:
        return situation.tokens
    return min(situation.tokens, max(affordable, spectral_count(features)))


def spectral_count(features: Tensor) -> int:
    """The fewest directions with `ENERGY` of the variance of the features [visual tokens, hidden]."""
    centred = (features - features.mean(0)).double()
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    energy = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0).cumsum(0)
    return int((energy < ENERGY * energy[-1]).sum()) + 1
