"""Trees of proposals: whatever tree a device proposes, whatever of it a step looks at, the text is the target's."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidValue, OutOfStep, Unsupported
from shared.speculation.coupled import Chooser
from shared.speculation.device import DeviceConversation
from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import COUPLED, Commit, Judging, Pace, Propose
from shared.speculation.pending import Fate
from shared.speculation.request import SamplingParameters
from shared.speculation.tree import Tree
from tests.support.hostile_link import Setting, hashed
from tests.support.tree_link import TreeRun

RUNS = 120


@pytest.mark.parametrize("pace", list(Pace))
def test_no_interleaving_changes_the_text_or_stops_it(pace: Pace) -> None:
    counts: Counter[str] = Counter()
    rng = random.Random(1)
    for seed in range(RUNS):
        window = rng.choice([1, 2, 4, 16])
        setting = Setting(
            seed=seed,
            agreement=rng.choice([0, 30, 60, 85, 100]),
            window=window,
            max_ahead=rng.choice([1, 2, 5, 64]),
            pace=pace,
            hostility=rng.choice([0.0, 0.01, 0.05]),
            admitted=rng.choice([(None,), (0,), (3,), (None, 0, 1, 2, 5, 99)]),
            in_flight=rng.choice([None, 0, 7]),
            rest=rng.choice([0, 1, 5]) if pace is Pace.EAGER else 0,
            turn=rng.choice([1, 8]),
            nodes=window + rng.choice([1, 3, 16]),
        )
        run = TreeRun(setting, cuts=rng.random() < 0.5)
        run.finish()
        counts.update(run.counts)
    assert {"cut", "lose", "resume", "merge", "a tree was said", "a path was said", "a branch stood"} <= counts.keys()
    assert counts["a branch stood"] >= 10


def trees_of(size: int, alphabet: int) -> Iterator[Tree]:
    """All trees of `size` ids below `alphabet`, no two children of one place alike."""
    for parents in itertools.product(*(range(-1, place) for place in range(size))):
        for ids in itertools.product(range(alphabet), repeat=size):
            if len(set(zip(parents, ids, strict=True))) == size:
                yield Tree(ids, parents)


def row(seed: int, text: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor([hashed((seed, token), text, 1000) / 250 for token in range(3)])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_every_small_tree_is_walked_as_far_as_the_target_goes_it(temperature: float) -> None:
    """Coupled noise is by position: the draw is the same in whatever branch. Id 2 ends the answer."""
    parameters = SamplingParameters(9, temperature=temperature, seed=3, eos_ids=(2,))
    chooser, seen = Chooser(parameters, ()), Counter[int]()
    for seed, size in itertools.product(range(4), range(4)):
        truth: list[int] = []
        while len(truth) < 6 and 2 not in truth:
            truth.append(chooser.choose(row(seed, tuple(truth)), truth))
        for begin, tree in itertools.product(range(2), trees_of(size, 3)):
            before = tuple(truth[:begin])
            if 2 in before:
                continue
            whole = [[*before]]
            for token, parent in zip(tree.ids, tree.parents, strict=True):
                whole.append([*whole[parent + 1], token])
            rows = torch.stack([row(seed, tuple(text)) for text in whole])
            said = chooser.descend(rows, tree, before)
            assert said == truth[begin : begin + len(said)]
            stood = tree.path(said)
            assert len(said) == len(stood) + 1 or (said[-1] == 2 and len(said) == len(stood))
            assert said[-1] == 2 or tree.child(stood[-1] if stood else -1, said[-1]) is None
            seen[len(stood)] += 1
    assert set(seen) == {0, 1, 2, 3}


ids = st.integers(0, 2)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    tree = Tree.EMPTY
    for _ in range(draw(st.integers(0, 9))):
        parent, token = draw(st.integers(-1, len(tree) - 1)), draw(ids)
        if tree.child(parent, token) is None:
            tree = tree.grown((token,), (parent,))
    return tree


def texts(tree: Tree) -> set[tuple[int, ...]]:
    """The tree as the set of all ways into it."""
    return {tuple(path[:length]) for path in tree.paths() for length in range(1, len(path) + 1)}


@settings(deadline=None)
@given(trees(), st.lists(ids, max_size=5), st.integers(0, 4), st.data())
def test_a_tree_is_the_set_of_its_ways(tree: Tree, text: list[int], depth: int, data: st.DataObject) -> None:
    ways, said = texts(tree), tuple(text)
    assert len(ways) == len(tree)
    assert texts(tree.below(text)) == {way[len(said) :] for way in ways if way[: len(said)] == said and way != said}
    assert len(tree.path(text)) == max(n for n in range(len(said) + 1) if n == 0 or said[:n] in ways)
    assert texts(tree.shallow(depth)) == {way for way in ways if len(way) <= depth}
    assert texts(tree.along(text, 99)) == ways | {said[:n] for n in range(1, len(said) + 1)}
    most = data.draw(st.integers(0, 12))
    assert len(tree.along(text, most)) <= max(len(tree), most)
    assert tree.is_chain == (list(tree.paths()) == [list(tree.ids)] if tree else True)


def test_a_device_says_path_and_branches_once_and_counts_those_that_stood() -> None:
    device = DeviceConversation(4, nodes=8)
    for token in (1, 2, 3):
        device.draft(token, device.version)
    branch = device.branch(1, 5)
    device.grow(device.text_of(branch), 6)
    assert device.untold == 5
    assert device.outgoing() == Propose(0, 0, (1, 2, 3, 5, 6), parents=(0, 1, 2, 1, 4))
    assert (device.outgoing(), device.untold) == (None, 0)
    assert (device.told.beside, device.told.stood) == (2, 0)
    device.hear(Commit(0, (1, 5), (2,)))
    assert (device.path, device.sent, device.told.stood) == ([6], 1, 1)
    device.draft(7, device.version)
    assert device.outgoing() == Propose(2, 3, (7,))  # what the edge knows is not said again


def test_branches_leave_room_for_the_path() -> None:
    device = DeviceConversation(4, nodes=5)
    device.draft(1, device.version)
    branch = device.branch(0, 5)
    for token in (6, 7):
        device.grow(device.text_of(branch), token)
    assert device.outgoing() == Propose(0, 0, (1, 5), parents=(0, 0))
    for token in (2, 3, 4):
        device.draft(token, device.version)
    assert device.outgoing() == Propose(0, 2, (2, 3, 4), parents=(1, 3, 4))


@pytest.mark.parametrize(("nodes", "judging"), [(4, COUPLED), (8, Judging(lossy=True))])
def test_a_tree_has_room_for_branches_and_ids_that_are_compared(nodes: int, judging: Judging) -> None:
    with pytest.raises(ValueError, match="needs more than the window of 4, and ids that are compared"):
        DeviceConversation(4, nodes=nodes, judging=judging)


def edge(window: int = 6) -> EdgeConversation:
    return EdgeConversation(Rules(window, max_ahead=8, rows=10, placeholder_ids=frozenset({9})))


def test_a_tree_goes_on_where_it_stands_and_what_fell_is_counted_no_more() -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1, 2, 3, 4), parents=(0, 1, 0, 3)))  # 1 2 and 3 4
    conversation.commit(conversation.pending().first(0), (3,))
    assert conversation.pending().ids == (4,)
    conversation.hear(Propose(0, 4, (5, 6), parents=(4, 4)))  # behind 3 4
    assert conversation.pending().tree == Tree((4, 5, 6), (-1, 0, 0))
    conversation.hear(Propose(1, 4, (7, 8, 1), parents=(2, 4, 1)))  # the places have moved up
    assert sorted(conversation.tree.paths()) == [[4, 1], [4, 5, 7, 8], [4, 6]]


def test_the_fate_of_forks_is_told() -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1, 2, 3, 4, 5), parents=(0, 0, 2, 2, 4)))
    conversation.commit(conversation.pending().first(0), (2,))
    conversation.commit(conversation.pending().first(0), (4,))
    conversation.commit(conversation.pending().first(0), (6,))
    assert list(conversation.overtaken) == [Fate(1, 1, ((0, (2, 1)),))] * 2 + [Fate(1, 0)]


@pytest.mark.parametrize(
    ("propose", "kind", "named"),
    [
        (Propose(0, 2, (3,), parents=(4,)), InvalidValue, r"propose\.parents\[0\] is 4: must lie between 0 and 2"),
        (Propose(0, 2, (3, 4), parents=(0, 4)), InvalidValue, r"propose\.parents\[1\] is 4"),
        (Propose(0, 2, (1,), parents=(0,)), InvalidValue, r"propose\.ids\[0\] is 1: stands there already"),
        (Propose(0, 2, (3, 3), parents=(2, 2)), InvalidValue, r"propose\.ids\[1\] is 3: stands there already"),
        (Propose(0, 2, (3, 4, 5, 6, 7), parents=(0,) * 5), InvalidValue, "the window is 6"),
        (Propose(0, 2, (9,), parents=(0,)), InvalidValue, "stands for a picture"),
        (Propose(0, 3, (3,), parents=(0,)), OutOfStep, "ends at 2"),
    ],
)
def test_a_tree_that_cannot_be_is_refused_and_changes_nothing(
    propose: Propose, kind: type[Exception], named: str
) -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1, 2)))
    with pytest.raises(kind, match=named):
        conversation.hear(propose)
    assert (conversation.heard, conversation.tree) == (1, Tree.chain((1, 2)))


def test_a_session_that_judges_otherwise_takes_no_trees() -> None:
    conversation = EdgeConversation(Rules(6, 8, 10, judging=Judging(lossy=True)))
    with pytest.raises(Unsupported, match="only one that compares ids takes trees"):
        conversation.hear(Propose(0, 0, (1, 2), parents=(0, 0)))
