"""What a step verifies of the device's proposals, and what became of them. Values; the conversation makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.speculation.messages import Claim
from shared.speculation.tree import Tree


@dataclass(frozen=True, slots=True)
class Pending:
    """What a step that begins now may verify: `ids` for `[start, start + len(ids))`, after `heard` proposes.

    `claims`: one for each id, none in a plain session. `closed`: nothing is drafted behind them until they are judged.
    `parents`: where the ids are a tree, the place of the one that each follows, -1: the text; () where they are a path.
    """

    start: int
    ids: tuple[int, ...]
    heard: int
    claims: tuple[Claim, ...] = ()
    closed: bool = False
    parents: tuple[int, ...] = ()

    @property
    def tree(self) -> Tree:
        """The ids as a tree."""
        return Tree(self.ids, self.parents) if self.parents else Tree.chain(self.ids)

    def of(self, tree: Tree) -> Pending:
        """The same step, over this part of its ids."""
        claims = self.claims[: len(tree)]
        closed = self.closed and len(tree) == len(self.ids)
        parents = () if tree.is_chain else tree.parents
        return replace(self, ids=tree.ids, claims=claims, closed=closed, parents=parents)

    def first(self, most: int | None) -> Pending:
        """The first `most` of them, or all."""
        return self if most is None or most >= len(self.ids) else self.of(self.tree.only(range(max(0, most))))

    def best(self, most: int | None, chances: Sequence[float]) -> Pending:
        """The likeliest `most` of them, or all. chances: of each to stand, no child likelier than its parent."""
        if most is None or most >= len(self.ids):
            return self
        return self.of(self.tree.only(sorted(range(len(self.ids)), key=lambda place: -chances[place])[:most]))


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of `known` proposals, one behind the other: the first `stood` are the target's own.

    `forks`: where more than one was proposed for a place, which of the `known` it is, how many they were, and which of
    them stood, if one did.
    """

    known: int
    stood: int
    forks: tuple[tuple[int, tuple[int, int | None]], ...] = ()


def fate_of(tree: Tree, text: Sequence[int], begin: int = 0) -> Fate:
    """What `text` says of the proposals of the tree behind the first `begin` places of its path."""
    path = tree.path(text)
    if tree.is_chain:
        return Fate(max(0, min(len(tree), len(path) + 1, len(text)) - begin), max(0, len(path) - begin))
    forks, known = list[tuple[int, tuple[int, int | None]]](), begin
    for depth, place in enumerate([-1, *path][begin : len(text)], start=begin):
        children = tree.children(place)
        stood = children.index(path[depth]) if depth < len(path) else None
        known += bool(children)
        if len(children) > 1:
            forks.append((depth - begin, (len(children), stood)))
    return Fate(known - begin, max(0, len(path) - begin), tuple(forks))
