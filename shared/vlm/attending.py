"""Which visual tokens a target's text attends to, told as places, and which tokens of another model lie there.

Guarantees: where both models cut a picture alike, the tokens are the same ones, but for tokens that share one box;
never more than asked for. The choice is SpecVLM's (arXiv 2508.16201). It runs no forward.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shared.speculation.attended import SIDE, Attended, Box
from shared.vlm.places import Places

SHARE = 0.4  # of all attention
_MARGIN = 1e-4  # of a side: a token that stands for the end of a row has a box without width, and it shall count


def most_attended(attention: Tensor, count: int) -> Tensor:  # attention: [visual tokens] -> [count]
    """Stage 1: the fewest most attended tokens that have `SHARE` of the attention together, at most `count`.

    Stage 2: the rest of the budget evenly among the others, in their order, ends included (linspace).
    `count`: from 0 to all of them.
    """
    ordered, order = torch.sort(attention, descending=True, stable=True)
    reached = ordered.double().cumsum(0) >= SHARE * attention.double().sum()
    first = order[: min(count, int(reached.int().argmax()) + 1)]
    rest = torch.ones(len(attention), dtype=torch.bool).index_fill(0, first, False).nonzero()[:, 0]
    more = torch.linspace(0, len(rest) - 1, count - len(first)).round().long()
    return torch.cat([first, rest[more]])


def told(places: Places, tokens: Tensor) -> Attended:  # tokens: [kept], in any order
    """Where these tokens sit."""
    chosen = sorted(tokens.tolist())
    pictures = int(places.pictures.max()) + 1 if len(places.pictures) else 0
    boxes: list[list[Box]] = [[] for _ in range(pictures)]
    units = (places.boxes * SIDE).round().int().tolist()
    for token in chosen:
        left, top, right, bottom = units[token]
        boxes[int(places.pictures[token])].append((left, top, right, bottom))
    return Attended(tuple(tuple(each) for each in boxes))


def lying_there(attended: Attended, places: Places, count: int) -> tuple[int, ...]:
    """At most `count` of the tokens that sit at `places`: those that share most with what was told, sorted.

    A box and a token share their common area by that of both together, so that a token of a picture seen whole is not
    taken for one of a part of it. The best share of a token decides, then the sum of all, then the order. What comes
    near no box is not there, and a picture that has no token here is passed over.
    """
    best, sums = torch.zeros(len(places.boxes)), torch.zeros(len(places.boxes))
    for number, boxes in enumerate(attended.pictures):
        here = (places.pictures == number).nonzero()[:, 0]
        if boxes and len(here):
            shared = _shared(places.boxes[here].float(), torch.tensor(boxes, dtype=torch.float32) / SIDE)
            best[here], sums[here] = shared.max(-1).values, shared.sum(-1)
    # Units of the wire are coarser than floats: a box that is the same shares a little less than 1 with itself.
    order = sorted(range(len(best)), key=lambda token: (-round(float(best[token]), 2), -float(sums[token]), token))
    return tuple(sorted(token for token in order[:count] if best[token] > 0))


def _shared(tokens: Tensor, boxes: Tensor) -> Tensor:  # [tokens, 4], [boxes, 4] -> [tokens, boxes]
    """Common area by that of both together, of boxes that are a `_MARGIN` wider all around."""
    first = torch.maximum(tokens[:, None, :2], boxes[:, :2]) - _MARGIN
    last = torch.minimum(tokens[:, None, 2:], boxes[:, 2:]) + _MARGIN
    common = (last - first).clamp_min(0).prod(-1)
    own, told = ((each[:, 2:] - each[:, :2] + 2 * _MARGIN).prod(-1) for each in (tokens, boxes))
    return common / (own[:, None] + told - common)
