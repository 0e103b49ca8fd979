"""Branches by example: where they leave a path, when the text goes along one, and what then goes up."""

from __future__ import annotations

import pytest

from shared.speculation.device import DeviceConversation
from shared.speculation.laws import point
from shared.speculation.marks import Mark
from shared.speculation.messages import Claim, Commit, Evidence, Judging, Propose, ResidualRow, Rule


def tree() -> DeviceConversation:
    """A path of 1 2 3, sent, and a branch that says 8 for 2 and goes on with 5 6."""
    conversation = DeviceConversation(4)
    for token in (1, 2, 3):
        conversation.draft(token, conversation.version)
    conversation.outgoing()
    branch = conversation.branch(1, 8)
    for token in (5, 6):
        assert conversation.grow(conversation.text_of(branch), token) is branch
    return conversation


def test_a_correction_that_a_branch_foresaw_makes_its_rest_the_path() -> None:
    conversation = tree()
    assert conversation.hear(Commit(0, (1, 8))) == 2  # 2 and 3; the branch lives on
    assert (conversation.path, conversation.branches, conversation.sent) == ([5, 6], [], 0)
    assert conversation.outgoing() == Propose(2, 2, (5, 6))


@pytest.mark.parametrize(
    ("ids", "path", "dropped"),
    [
        ((1, 8, 5), [6], 2),
        ((1, 8, 5, 6), [], 4),  # nothing of the branch is ahead
        ((1, 8, 9), [], 4),
        ((1, 9), [], 4),
        ((8,), [], 5),
        ((1, 2), [3], 2),  # the branch is behind the text
        ((1, 2, 3, 4), [], 2),
    ],
)
def test_a_branch_becomes_the_path_only_if_the_text_goes_its_way(
    ids: tuple[int, ...], path: list[int], dropped: int
) -> None:
    conversation = tree()
    held = len(conversation.path) + 2
    assert conversation.hear(Commit(0, ids)) == dropped
    assert conversation.path == path
    assert conversation.branches == []
    assert held >= dropped


def test_a_branch_moves_up_with_the_path_it_strays_from() -> None:
    conversation = tree()
    conversation.hear(Commit(0, (1,)))
    assert [(branch.at, branch.other, branch.ids) for branch in conversation.branches] == [(0, 8, [5, 6])]
    conversation.hear(Commit(1, (8,)))
    assert conversation.path == [5, 6]


def test_a_branch_never_makes_a_path_longer_than_the_window() -> None:
    conversation = tree()  # with the 8 that it hangs on, 5 6 7 are a window of 4
    (branch,) = conversation.branches
    assert conversation.grow(conversation.text_of(branch), 7) is branch
    assert conversation.grow(conversation.text_of(branch), 9) is None
    assert branch.ids == [5, 6, 7]


def test_a_branch_that_is_told_counts_from_the_first_of_the_path() -> None:
    conversation = DeviceConversation(4, nodes=8)
    for token in (1, 2, 3):
        conversation.draft(token, conversation.version)
    branch = conversation.branch(1, 8)
    assert [conversation.deepest(at) for at in range(3)] == [3, 2, 1]
    grown = [conversation.grow(conversation.text_of(branch), token) for token in (5, 6, 7)]
    assert grown == [branch, branch, None]


def test_a_token_for_a_text_that_nothing_holds_grows_nothing() -> None:
    assert tree().grow([1, 9, 5], 6) is None


@pytest.mark.parametrize(("at", "other"), [(3, 9), (1, 2), (-1, 9)])
def test_a_branch_strays_from_the_path(at: int, other: int) -> None:
    with pytest.raises(ValueError, match="does not leave"):
        tree().branch(at, other)


def block(*path: int) -> DeviceConversation:
    """A closed block behind a first token, by the rule rejection with points."""
    conversation = DeviceConversation(4, (9,), judging=Judging(Rule.REJECTION, Evidence.SCALAR))
    for token in path:
        conversation.draft(token, conversation.version, Mark(Claim(probability=1.0), point(token)))
    conversation.close()
    conversation.outgoing()
    return conversation


def test_behind_a_closed_block_a_branch_waits_for_the_targets_own_token() -> None:
    conversation = block(1, 2)
    aside = Mark(Claim(probability=1.0), point(5))
    assert conversation.grow(conversation.text_of(conversation.branch(2, 7)), 5, aside) is not None
    assert conversation.hear(Commit(1, (1,))) == 0
    assert conversation.hear(Commit(2, (2, 7))) == 0
    assert conversation.path == [5]
    assert conversation.outgoing() == Propose(4, 4, (5,), draft_probability=(1.0,))


def test_behind_a_block_that_is_open_or_gone_there_is_no_branch() -> None:
    conversation = block(1, 2)
    conversation.branch(2, 7)
    conversation.hear(Commit(1, (1, 2)))
    assert conversation.branches == []
    with pytest.raises(ValueError, match="does not leave"):
        conversation.branch(0, 7)


def test_a_correction_that_was_foreseen_goes_up_with_what_was_drafted_behind_it() -> None:
    conversation = block(1, 2)
    aside = Mark(Claim(probability=0.5), point(5))
    for at, other in ((0, 7), (0, 8), (1, 7)):
        assert conversation.grow(conversation.text_of(conversation.branch(at, other)), 5, aside) is not None
    assert conversation.hear(Commit(1, (), residual=ResidualRow((7, 8), (0.5, 0.5)))) == 3  # the path and one branch
    assert (conversation.path, conversation.blocked) == ([], True)
    branch = conversation.correct(8)
    assert branch is not None
    assert (conversation.path, conversation.branches) == ([8, 5], [])
    assert conversation.outgoing() == Propose(1, 1, (8, 5), given=1, draft_probability=(0.5,))
