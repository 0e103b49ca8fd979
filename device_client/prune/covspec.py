"""CoVSpec's own: query relevance x token activity x low-rank dependency (arXiv 2605.02218).

Its equations were not public: these are ours, chosen on held-out scenes (docs/pruning.md). Each part can be switched
off. No part knows a language: what the keywords are, the picture says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from device_client.prune.cells import by_picture, cut, filled
from device_client.prune.sight import Kept, Sight, given, spread, unit

SHARPNESS = 0.25  # power of what is new in a token: enough to break ties, not to prefer the odd
_NOTHING_NEW = 1e-6


@dataclass(frozen=True)
class Scores:
    """For each visual token, from 0 to 1. `rank`: the part of it that tokens kept before it did not say."""

    relevance: Tensor
    activity: Tensor
    rank: Tensor


def covspec(parts: Collection[str], sight: Sight, count: int) -> Kept:
    """The kept tokens; see `judge`."""
    return judge(parts, sight, count)[0]


def judge(parts: Collection[str], sight: Sight, count: int) -> tuple[Kept, Scores]:
    """s = mean of relevance and activity, each scaled from 0 to 1. Regions share the budget by their mean s, and each
    cell keeps its largest s * new^(1/4).

    new_i = |u_i - P_S u_i|^2 of unit features, S the tokens chosen in cells before (residual energy, as in ResPrune,
    arXiv 2603.21105); the cell with the largest s comes first.
    """
    blank = torch.ones(sight.count)
    pointed = spread(relevance(sight.features, given(sight.question))) if "relevance" in parts else blank
    active = spread(given(sight.update)) if "activity" in parts else blank
    used = [each for part, each in (("relevance", pointed), ("activity", active)) if part in parts]
    score = torch.stack(used).mean(0) if used else blank
    new = blank.clone()

    def choose(_: int, tokens: Tensor, budget: int) -> Tensor:
        own = score[tokens]
        cells = cut(sight.boxes[tokens], budget, lambda region: float(own[region.tokens].mean()))
        cells.sort(key=lambda cell: (-float(own[cell].max()), cell[0]))
        if "rank" in parts:
            best, new[tokens] = _newest(own, unit(sight.features[tokens]).double(), cells)
        else:
            best = [cell[int(own[cell].argmax())] for cell in cells]
        return filled(best, own, budget)

    return by_picture(sight, count, choose), Scores(pointed, active, new)


def relevance(features: Tensor, question: Tensor) -> Tensor:
    """max over the question's tokens t of (c_it - mean_i c_it) / std_i c_it with c_it = cos(v_i, e_t - mean_t e_t).

    [visual tokens]. A token of the question counts by how far a place of the picture stands out for it: so words that
    point nowhere are silent, in any language and without a list. Without a question all places are alike.
    """
    if len(question) < 2 or len(features) < 2:
        return torch.ones(len(features))
    alike = unit(features) @ unit(question - question.mean(0)).T  # [visual tokens, question tokens]
    return ((alike - alike.mean(0)) / alike.std(0).clamp_min(1e-6)).amax(-1)


def _newest(scores: Tensor, rows: Tensor, cells: list[list[int]]) -> tuple[list[int], Tensor]:
    """The chosen token of each cell, and what was new of each token when its cell's turn came: [tokens]."""
    basis = rows.new_zeros(min(len(cells), rows.shape[1]), rows.shape[1])
    size, left, new, chosen = 0, torch.ones(len(rows), dtype=torch.double), torch.ones(len(rows)), []
    for cell in cells:
        new[cell] = left[cell].float()
        pick = cell[int((scores[cell] * new[cell].clamp_min(_NOTHING_NEW) ** SHARPNESS).argmax())]
        chosen.append(pick)
        rest = rows[pick] - basis[:size].T @ (basis[:size] @ rows[pick])
        if size < len(basis) and float(rest.norm()) > 1e-3:
            basis[size] = rest / rest.norm()
            left = (left - (rows @ basis[size]).square()).clamp_min(0)
            size += 1
    return chosen, new
