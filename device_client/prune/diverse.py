"""Pruners by geometry alone: tokens that lie far from each other, or that others cannot be written by."""

from __future__ import annotations

import torch
from torch import Tensor

from device_client.prune.sight import Kept, Sight, unit

_NOTHING_LEFT = 1e-10  # of the largest residual, below which a row is a sum of those taken


def divprune(sight: Sight, count: int, *, centred: bool) -> Kept:
    """Max-min diversity (DivPrune, arXiv 2503.02175): D = 1 - cos(v_i, v_j).

    First the token whose nearest other is farthest; then again and again the one farthest from all that are taken.
    `centred`: of features less their mean (Cen-Prune).
    """
    features = sight.features - sight.features.mean(0) if centred else sight.features
    rows = unit(features)
    distance = 1 - rows @ rows.T
    nearest = distance.clone().fill_diagonal_(torch.inf).amin(0)
    taken = [int(nearest.argmax())]
    least = distance[taken[0]].clone()
    least[taken[0]] = -torch.inf
    while len(taken) < count:
        taken.append(int(least.argmax()))
        least = torch.minimum(least, distance[taken[-1]])
        least[taken[-1]] = -torch.inf
    return Kept.of(torch.tensor(taken))


def pivoted_qr(sight: Sight, count: int) -> Kept:
    """The first pivots of QR with column pivoting of V^T: each time the row that those taken explain least.

    Greedy column subset selection (SPARE, arXiv 2606.18681, without its relevance).
    """
    return Kept.of(pivots(sight.features, count))


def pivots(rows: Tensor, count: int) -> Tensor:
    """argmax_i |v_i - P_S v_i|^2 again and again, by pivoted Cholesky of V V^T: [count], in the order taken.

    Where nothing is left to explain, it begins anew among those that remain.
    """
    rows = rows.double()
    free = torch.arange(len(rows))
    taken: list[Tensor] = []
    while sum(map(len, taken)) < count:
        found = _one_basis(rows[free], count - sum(map(len, taken)))
        taken.append(free[found])
        free = free[torch.ones(len(free), dtype=torch.bool).index_fill(0, found, False)]
    return torch.cat(taken)


def _one_basis(rows: Tensor, count: int) -> Tensor:
    """Pivots until `count`, or until they explain all; where all is nothing, the first."""
    residual = rows.square().sum(-1)
    least = _NOTHING_LEFT * float(residual.max())
    factor = rows.new_zeros(min(count, *rows.shape), len(rows))
    taken: list[int] = []
    while len(taken) < len(factor) and float(residual.max()) > least:
        pivot, step = int(residual.argmax()), len(taken)
        row = rows @ rows[pivot] - factor[:step, pivot] @ factor[:step]
        factor[step] = row / residual[pivot].sqrt()
        residual = residual - factor[step].square()
        residual[pivot] = 0
        taken.append(pivot)
    return torch.tensor(taken or range(count))
