"""What a device has told the edge of its path and its branches: a tree that both ends hold alike.

Guarantees: told are at most `nodes` ids that the text has not ruled out, and branches take no place that the path may
want. It does not know who drafts.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.speculation.branches import Branch
from shared.speculation.messages import Propose
from shared.speculation.tree import Tree


class Told:
    """`length`: of the text that the edge knows this device to have. `nodes` 0: it hears of the path alone, elsewhere.

    `beside`: ids told that were not on the path then; `stood`: how many of those were text before they became the path.
    """

    def __init__(self, nodes: int, length: int) -> None:
        self.nodes = nodes
        self.beside = self.stood = 0
        self._length = length
        self._tree = Tree.EMPTY

    @property
    def tree(self) -> Tree:
        """As of when the device last said something."""
        return self._tree

    def left(self, committed: Sequence[int]) -> Tree:
        """What has not fallen: the edge will find the same, once it hears what is committed here."""
        return self._tree.below(committed[self._length :])

    def wanted(self, committed: Sequence[int], path: Sequence[int], branches: Sequence[Branch], room: int) -> Tree:
        """What the edge is to hold: the path, which has `room` to grow, and of the branches what fits beside it."""
        grown = self.left(committed).along(path, self.nodes)
        for branch in branches:
            grown = grown.along([*path[: branch.at], branch.other, *branch.ids], self.nodes - room)
        return grown

    def say(self, committed: Sequence[int], wanted: Tree, path: Sequence[int]) -> Propose | None:
        """What makes the edge hold that; None if it does. Counts as said."""
        seen, left = len(committed), self.left(committed)
        ids, parents = wanted.ids[len(left) :], wanted.parents[len(left) :]
        if not ids and seen == self._length:
            return None
        on_path = set(wanted.path(path))
        self.beside += sum(place not in on_path for place in range(len(left), len(wanted)))
        self._length, self._tree = seen, wanted
        chained = parents == tuple(range(len(left) - 1, len(wanted) - 1))
        told = () if chained else tuple(parent + 1 for parent in parents)
        return Propose(seen, seen + len(left), ids, parents=told)

    def strayed(self, committed: Sequence[int], agreeing: int, count: int) -> None:
        """The last `count` of the text are new, and `agreeing` of them were on the path: what was told beside it?"""
        places = self._tree.path(committed[self._length :])
        on_path = len(committed) - self._length - count + agreeing
        self.stood += max(0, len(places) - on_path)

    def forget(self, length: int) -> None:
        """A new stream: the edge holds nothing of this device but so much text."""
        self._length, self._tree = length, Tree.EMPTY
