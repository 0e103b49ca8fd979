"""Branches of a path: what the device would go on with, should the text leave the path at one place by one token.

Guarantees: a branch is only ever followed where the text has gone its way, and what it holds was drawn as the path's
own tokens are: by text, position and seed. So no branch changes what is proposed, only how soon. Unless the device
proposes a tree, the edge hears nothing of branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.speculation.marks import Mark
from shared.speculation.messages import agreement


@dataclass(eq=False)
class Branch:
    """Leaves the path at its place `at` (0: the first; behind a closed block, its length) by the token `other`, and
    goes on with `ids`. `marks`: one for each of those, none in a plain session.
    """

    at: int
    other: int
    ids: list[int] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Of the path that it would be from the committed text on."""
        return self.at + 1 + len(self.ids)


def followed(branches: Sequence[Branch], path: Sequence[int], ids: Sequence[int]) -> Branch | None:
    """The branch that leaves the path as `ids` do, if there is one that goes on beyond them."""
    strays = agreement(path, ids)
    for branch in branches:
        if branch.at == strays < len(ids) < branch.length and branch.other == ids[strays]:
            behind = list(ids[strays + 1 :])
            if branch.ids[: len(behind)] == behind:
                return branch
    return None


def moved_up(branches: Sequence[Branch], count: int, places: int) -> list[Branch]:
    """Those that are left when the first `count` of the path have become text, with their places told anew.

    `places`: where the path that is left may be left.
    """
    for branch in branches:
        branch.at -= count
    return [branch for branch in branches if 0 <= branch.at < places]


def held(branches: Sequence[Branch]) -> int:
    """How many drafted ids they hold."""
    return sum(len(branch.ids) for branch in branches)
