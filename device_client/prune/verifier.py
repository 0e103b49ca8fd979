"""Verifier-guided (SpecVLM, arXiv 2508.16201): what the target's text attends to, and an even sample of the rest.

An upper bound more than a choice: the edge would have to prefill first and send what it looked at.
"""

from __future__ import annotations

import torch

from device_client.prune.sight import Kept, Sight, given

SHARE = 0.4  # of all attention


def verifier(sight: Sight, count: int) -> Kept:
    """Stage 1: the fewest most attended tokens that have `SHARE` of the attention together, at most `count`.

    Stage 2: the rest of the budget evenly among the others, in their order, ends included (linspace).
    """
    attention = given(sight.attention)
    ordered, order = torch.sort(attention, descending=True, stable=True)
    reached = ordered.double().cumsum(0) >= SHARE * attention.double().sum()
    first = order[: min(count, int(reached.int().argmax()) + 1)]
    rest = torch.ones(sight.count, dtype=torch.bool).index_fill(0, first, False).nonzero()[:, 0]
    more = torch.linspace(0, len(rest) - 1, count - len(first)).round().long()
    return Kept.of(torch.cat([first, rest[more]]))
