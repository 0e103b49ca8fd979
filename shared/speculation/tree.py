"""A tree of proposals: ids that each follow an earlier one, or the committed text. A path is the tree with one branch.

Guarantees: what is left of a tree when text has been said depends on the tree and that text alone, so both ends that
hold the same tree still do. It does not know who drafts, nor chances.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from shared.speculation.messages import agreement


@dataclass(frozen=True, slots=True)
class Tree:
    """`parents[i]`: the place of the id that `ids[i]` follows, below i; -1: the text. No two children are alike."""

    ids: tuple[int, ...] = ()
    parents: tuple[int, ...] = ()

    EMPTY: ClassVar[Tree]

    @staticmethod
    def chain(ids: Sequence[int]) -> Tree:
        """Each id follows the one before it."""
        return Tree(tuple(ids), tuple(range(-1, len(ids) - 1)))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_chain(self) -> bool:
        """Whether it is one path."""
        return self.parents == tuple(range(-1, len(self.ids) - 1))

    @property
    def depths(self) -> list[int]:
        """How many ids of the tree are before each."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent < 0 else depths[parent] + 1)
        return depths

    def children(self, place: int) -> list[int]:
        """The places of what may follow `place` (-1: the text), in their order."""
        return [child for child, parent in enumerate(self.parents) if parent == place]

    def child(self, place: int, token: int) -> int | None:
        """The place of `token` behind `place`."""
        beside = enumerate(zip(self.ids, self.parents, strict=True))
        return next((child for child, each in beside if each == (token, place)), None)

    def path(self, text: Sequence[int]) -> list[int]:
        """The places that `text` leads to, one behind the other, as far as it stays in the tree."""
        if self.is_chain:
            return list(range(agreement(self.ids, text)))
        places, last = list[int](), -1
        for place, (token, parent) in enumerate(zip(self.ids, self.parents, strict=True)):  # children come later
            if parent == last and len(places) < len(text) and token == text[len(places)]:
                places.append(last := place)
        return places

    def below(self, text: Sequence[int]) -> Tree:
        """What is left of it when `text` has been said; nothing if `text` has left the tree."""
        if not text:
            return self
        if self.is_chain:  # most are: every step asks
            return Tree.chain(self.ids[len(text) :]) if self.ids[: len(text)] == tuple(text) else Tree.EMPTY
        path = self.path(text)
        if len(path) < len(text):
            return Tree.EMPTY
        behind = {path[-1]}
        for place, parent in enumerate(self.parents):
            if parent in behind:
                behind.add(place)
        return self.only(behind - {path[-1]})

    def only(self, places: Collection[int]) -> Tree:
        """These places, each with its parent or as a root."""
        old = sorted(places)
        new = {place: number for number, place in enumerate(old)}
        return Tree(tuple(self.ids[place] for place in old), tuple(new.get(self.parents[place], -1) for place in old))

    def shallow(self, depth: int) -> Tree:
        """What of it is on paths of at most `depth` ids."""
        if depth >= len(self):
            return self
        return self.only([place for place, each in enumerate(self.depths) if each < depth])

    def grown(self, ids: Sequence[int], parents: Sequence[int]) -> Tree:
        """With more ids behind it."""
        return Tree((*self.ids, *ids), (*self.parents, *parents))

    def along(self, text: Sequence[int], most: int) -> Tree:
        """With what `text` has more than the tree, as long as it has at most `most` ids in all."""
        path = self.path(text)
        more = text[len(path) :][: max(0, most - len(self))]
        first = len(self)
        return self.grown(more, [path[-1] if path else -1, *range(first, first + len(more))][: len(more)])

    def paths(self) -> Iterator[list[int]]:
        """The ids of each path to its end."""
        whole: list[list[int]] = []
        for token, parent in zip(self.ids, self.parents, strict=True):
            whole.append([*(whole[parent] if parent >= 0 else ()), token])
        yield from (whole[place] for place in sorted(set(range(len(self))) - set(self.parents)))


Tree.EMPTY = Tree()
