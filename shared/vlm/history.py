"""What the slots of a cache were filled with: two caches hold the same in as many of their first slots as agree in it.

What a layer has in a slot is a function of all tokens before and in it, of where they stand, and of which of them each
sees: that is what is compared. It does not know the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from shared.vlm import marks
from shared.vlm.packed import Sight


@dataclass(frozen=True)
class History:
    """The slots of a prompt, and behind them those of output tokens `ids`, which are kept by who owns this.

    `facts`: of each slot of the prompt its mark, its position on each axis, how many slots it sees, its place for
    windows. `first`: position of the first output token. `sight`: as the prompt's decoder was told.
    """

    facts: Tensor  # [3 + axes + 2, prompt], int64
    first: int
    sight: Sight | None
    ids: list[int] = field(default_factory=list)

    @staticmethod
    def of(positions: Tensor, told: Tensor, first: int, sight: Sight | None) -> History:
        """A prompt whose tokens stand at `positions`, [axes, prompt], and have marks `told`, [prompt, 3]."""
        sees = _in_order(0, len(told)) if sight is None else torch.stack([sight.ends, sight.places])
        return History(torch.cat([told.T, positions.long(), sees]), first, sight)

    def fork(self) -> History:
        """The same, with output tokens of its own."""
        return History(self.facts, self.first, self.sight, list(self.ids))

    def common(self, other: History, most: int) -> int:
        """How many of the first slots are the same in both, `most` of the other's at most."""
        mine, theirs = self._slots(), other._slots()
        most = min(most, mine.shape[1], theirs.shape[1])
        if len(mine) != len(theirs):
            return 0
        count = int((mine[:, :most] == theirs[:, :most]).all(0).cumprod(0).sum())
        # Tokens that see ahead agree with what they see, or none of them does.
        return count if self.sight is None else self.sight.whole(count)

    def _slots(self) -> Tensor:
        if not self.ids:
            return self.facts
        axes, prompt, count = len(self.facts) - 5, self.facts.shape[1], len(self.ids)
        positions = torch.arange(self.first, self.first + count).expand(axes, -1)
        sees = _in_order(prompt, prompt + count)
        if self.sight is not None:
            sees[1] += self.sight.beyond - prompt
        return torch.cat([self.facts, torch.cat([marks.of_text(torch.tensor(self.ids)).T, positions, sees])], dim=1)


def _in_order(begin: int, end: int) -> Tensor:
    """What slots [begin, end) see and where they count, where each token sees all before it: [2, end - begin]."""
    return torch.stack([torch.arange(begin, end) + 1, torch.arange(begin, end)])
