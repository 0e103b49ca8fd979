"""VisionZip (arXiv 2412.04467): the tokens that the vision tower looks at most, and means of the others around a few.

Shares as published: 54 dominant to 10 contextual. Towers without a class token: attention received is its column mean.
"""

from __future__ import annotations

import torch

from device_client.prune.sight import Kept, Sight, top, unit

DOMINANT, CONTEXTUAL = 54, 10


def visionzip(sight: Sight, count: int) -> Kept:
    """Dominant tokens stay; every n-th of the rest is a target; the others join the target of the most alike key.

    A target becomes the mean of itself and of the mean of those that joined it. The original adds the two, before the
    projector; here, behind it, a mean has the length that the model knows.
    """
    if sight.gaze is None:
        raise ValueError("a pruner needs what it asks for")
    contextual = min(count - 1, round(count * CONTEXTUAL / (DOMINANT + CONTEXTUAL)))
    mixing = torch.eye(sight.count)
    taken = top(sight.gaze.received, count - contextual)
    if contextual:
        rest = torch.ones(sight.count, dtype=torch.bool).index_fill(0, taken, False).nonzero()[:, 0]
        stride = max(1, len(rest) // contextual)
        is_target = torch.zeros(len(rest), dtype=torch.bool)
        is_target[::stride][:contextual] = True
        targets, others = rest[is_target], rest[~is_target]
        keys = unit(sight.gaze.keys)
        joined = (keys[others] @ keys[targets].T).argmax(-1)
        for number, target in enumerate(targets.tolist()):
            members = others[joined == number]
            if len(members):
                mixing[target] = 0
                mixing[target, target] = 0.5
                mixing[target, members] = 0.5 / len(members)
        taken = torch.cat([taken, targets])
    kept = Kept.of(taken)
    return Kept(kept.indices, mixing[list(kept.indices)])
