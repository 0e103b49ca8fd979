"""The edge's conversation by example: what a step may verify, what it commits, how it takes a device back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.errors import CovspecError, InvalidValue, OutOfStep
from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import Commit, Evidence, Judging, Pace, Propose, Rule, Timings
from shared.speculation.pending import Fate, Pending


def edge(
    window: int = 4, max_ahead: int = 8, committed: tuple[int, ...] = (), said: tuple[int, ...] = ()
) -> EdgeConversation:
    conversation = EdgeConversation(Rules(window, max_ahead, rows=10, placeholder_ids={9}), committed)
    if said:
        conversation.commit(conversation.pending(), said)
    return conversation


def test_a_step_verifies_what_it_heard_and_says_how_much_that_was() -> None:
    conversation = edge()
    assert conversation.pending() == Pending(0, (), 0)
    conversation.hear(Propose(0, 0, (1, 2)))
    conversation.hear(Propose(0, 2, (3,)))
    assert conversation.pending() == Pending(0, (1, 2, 3), 2)


@pytest.mark.parametrize(
    ("ids", "accepted"), [((7,), 0), ((1, 7), 1), ((1, 2, 7), 2), ((1, 2), 2), ((1,), 1), ((2, 1), 0)]
)
def test_a_commit_counts_the_proposals_that_stood(ids: tuple[int, ...], accepted: int) -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1, 2)))
    timings = Timings(5, 6)
    assert conversation.commit(conversation.pending(), ids, timings) == Commit(0, ids, (accepted,), 1, None, timings)
    assert conversation.committed == list(ids)


def test_a_commit_reports_what_was_heard_when_its_step_began() -> None:
    conversation = edge()
    pending = conversation.pending()
    conversation.hear(Propose(0, 0, (1, 2)))
    assert conversation.commit(pending, (1,)).heard == 0
    assert conversation.pending() == Pending(1, (2,), 1)


def test_two_steps_cannot_commit_the_same_place() -> None:
    conversation = edge()
    pending = conversation.pending()
    conversation.commit(pending, (1,))
    with pytest.raises(ValueError, match="a step from 0 cannot commit after 1"):
        conversation.commit(pending, (1,))


def test_a_step_leaves_room_for_the_token_of_its_own() -> None:
    conversation = edge(window=9, max_ahead=3)
    conversation.hear(Propose(0, 0, (1, 2, 3, 4)))
    assert conversation.pending().ids == (1, 2)
    conversation.commit(conversation.pending(), (1, 2, 3))
    assert not conversation.may_step(Pace.EAGER)
    assert conversation.pending().ids == ()
    conversation.hear(Propose(3, 4))
    assert conversation.pending().ids == (4,)
    assert conversation.may_step(Pace.THRIFTY)


def test_an_edge_that_may_run_one_token_ahead_still_steps_for_proposals() -> None:
    conversation = edge(max_ahead=1)
    conversation.hear(Propose(0, 0, (1,)))
    assert conversation.may_step(Pace.THRIFTY)
    assert conversation.pending().ids == ()


def test_a_yielding_device_does_not_lift_the_limit_ahead() -> None:
    conversation = edge(max_ahead=2, said=(1, 2))
    conversation.yielded = True
    assert not conversation.may_step(Pace.THRIFTY)


def test_a_dead_path_asks_for_no_thrifty_step() -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1, 2)))
    conversation.commit(conversation.pending(), (7,))
    assert not conversation.live
    assert not conversation.may_step(Pace.THRIFTY)


def test_a_path_wholly_overtaken_is_live_and_goes_on() -> None:
    conversation = edge(said=(1, 2, 3))
    conversation.hear(Propose(0, 0, (1, 2)))
    assert (conversation.live, conversation.pending().ids) == (True, ())
    conversation.hear(Propose(0, 2, (3, 4)))
    assert conversation.pending() == Pending(3, (4,), 2)


def test_the_mirror_is_what_the_device_holds() -> None:
    conversation = edge(said=(1, 2))
    conversation.hear(Propose(1, 1, (5, 6)))
    assert conversation.mirror == [1, 5, 6]
    conversation.hear(Propose(2, 2))
    assert conversation.mirror == [1, 2]


def test_an_acknowledgement_keeps_the_path_that_was_sent_before() -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1, 2, 3)))
    conversation.commit(conversation.pending(), (1, 2, 3, 4)[:2])
    conversation.hear(Propose(2, 3))
    assert conversation.mirror == [1, 2, 3]
    assert conversation.pending().ids == (3,)


def test_a_path_restarts_only_with_news_or_when_nothing_is_mirrored() -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1,)))
    with pytest.raises(OutOfStep, match=r"propose\.base is 0: the path before it ends at 1"):
        conversation.hear(Propose(0, 0, (2,)))


@pytest.mark.parametrize(
    "propose",
    [
        Propose(3, 3),
        Propose(0, 0),
        Propose(2, 1),
        Propose(1, 1, (1, 2, 3, 4, 5)),
        Propose(1, 3, (1, 2, 3)),
        Propose(1, 2, (1, 10)),
        Propose(1, 2, (1, 9)),
        Propose(1, 4, (1,)),
        Propose(1, 1, (1,)),
    ],
)
def test_a_propose_that_is_refused_leaves_no_trace(propose: Propose) -> None:
    conversation = edge(said=(5, 6))
    conversation.hear(Propose(1, 1, (6,)))
    before = (conversation.mirror, conversation.heard, conversation.committed[:], conversation.pending())
    with pytest.raises(CovspecError, match=r"^propose\."):
        conversation.hear(propose)
    assert before == (conversation.mirror, conversation.heard, conversation.committed, conversation.pending())


def test_a_base_before_what_was_seen_is_refused_by_name() -> None:
    with pytest.raises(InvalidValue, match=r"^propose\.base is 1: must be at least propose\.seen, 2"):
        edge(said=(1, 2)).hear(Propose(2, 1))


def test_a_window_is_what_a_device_may_hold_not_what_it_may_say_at_once() -> None:
    conversation = edge(window=2)
    conversation.hear(Propose(0, 0, (1, 2)))
    with pytest.raises(InvalidValue, match="3 ids beyond seen': the window is 2"):
        conversation.hear(Propose(0, 2, (3,)))


@pytest.mark.parametrize("seen", [0, 1, 2])
def test_a_device_that_comes_back_gets_what_it_lacks_and_both_ends_agree(seen: int) -> None:
    conversation = edge(said=(5, 6))
    conversation.hear(Propose(0, 0, (7,)))
    conversation.yielded = True
    assert conversation.resume(seen) == Commit(seen, (5, 6)[seen:])
    assert conversation.mirror == [5, 6]
    assert (conversation.heard, conversation.yielded, conversation.live) == (0, False, True)
    conversation.hear(Propose(2, 2, (1,)))
    assert conversation.pending() == Pending(2, (1,), 1)


def test_a_device_cannot_come_back_with_more_than_was_said() -> None:
    with pytest.raises(OutOfStep, match=r"resume\.seen is 3: must lie between 0 and 2"):
        edge(said=(5, 6)).resume(3)


def test_a_reopened_answer_goes_on_behind_what_was_committed() -> None:
    conversation = edge(committed=(1, 2, 3))
    assert conversation.pending() == Pending(3, (), 0)
    conversation.hear(Propose(3, 3, (4,)))
    assert conversation.commit(conversation.pending(), (4, 5)) == Commit(3, (4, 5), (1,), 1)


def test_what_was_given_as_committed_is_not_changed() -> None:
    given = [1, 2]
    conversation = EdgeConversation(Rules(4, 8, 10), given)
    conversation.commit(conversation.pending(), (3,))
    assert given == [1, 2]


def test_the_text_tells_the_fate_of_proposals_that_it_overtook() -> None:
    conversation = EdgeConversation(Rules(window=8, max_ahead=8, rows=100))
    conversation.commit(conversation.pending(), (1,))
    conversation.commit(conversation.pending(), (2,))
    conversation.hear(Propose(0, 0, (1, 7, 3)))
    assert list(conversation.overtaken) == [Fate(2, 1)]
    conversation.commit(conversation.pending(), (3,))
    conversation.hear(Propose(0, 3, (4, 5)))
    assert list(conversation.overtaken) == [Fate(2, 1)]  # behind a wrong one there is nothing to tell


def test_what_a_step_has_verified_is_told_by_nobody_else() -> None:
    conversation = EdgeConversation(Rules(window=8, max_ahead=8, rows=100))
    conversation.hear(Propose(0, 0, (1, 2, 3, 4)))
    looked_at = replace(conversation.pending(), ids=(1, 2))
    conversation.commit(looked_at, (1, 2, 3))
    assert list(conversation.overtaken) == [Fate(1, 1)]  # the step's own token is what was proposed
    conversation.commit(replace(conversation.pending(), ids=()), (9,))
    assert list(conversation.overtaken) == [Fate(1, 1), Fate(1, 0)]
    conversation.hear(Propose(4, 4, (5,)))
    conversation.commit(replace(conversation.pending(), ids=()), (5,))
    assert list(conversation.overtaken) == [Fate(1, 1), Fate(1, 0), Fate(1, 1)]


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_a_path_that_comes_in_pieces_has_its_fate_told_once(pieces: int) -> None:
    text = tuple(range(1, 21))
    conversation = EdgeConversation(Rules(window=20, max_ahead=64, rows=100), text[:1])
    for at in range(1, 1 + pieces):
        conversation.hear(Propose(1, 2 * at - 1, text[2 * at - 1 : 2 * at + 1]))
        conversation.commit(replace(conversation.pending(), ids=()), text[at : at + 1])
    for at in range(1 + pieces, 1 + 2 * pieces):
        conversation.commit(replace(conversation.pending(), ids=()), text[at : at + 1])
    assert sum(fate.known for fate in conversation.overtaken) == 2 * pieces
    assert all(fate.stood == fate.known for fate in conversation.overtaken)


def rejecting(max_ahead: int) -> EdgeConversation:
    judging = Judging(Rule.REJECTION, Evidence.POINT)
    return EdgeConversation(Rules(window=4, max_ahead=max_ahead, rows=10, judging=judging))


@pytest.mark.parametrize(("max_ahead", "ends"), [(4, True), (3, True), (2, False), (1, False)])
def test_a_block_ends_with_a_bonus_token_only_where_the_step_has_room_for_it(max_ahead: int, ends: bool) -> None:
    conversation = rejecting(max_ahead)
    conversation.hear(Propose(0, 0, (1, 2), closed=True))
    assert conversation.pending().closed is ends
    assert len(conversation.pending().ids) == min(2, max_ahead)


def test_a_block_that_goes_on_has_no_end_yet() -> None:
    conversation = rejecting(max_ahead=8)
    conversation.hear(Propose(0, 0, (1,), closed=True))
    conversation.hear(Propose(0, 1, (2,)))
    assert not conversation.pending().closed
    conversation.hear(Propose(0, 2, (3,), closed=True))
    conversation.hear(Propose(0, 3))  # an acknowledgement says nothing of the block
    assert conversation.pending().closed


@pytest.mark.parametrize("ids", [(), (5,)])
def test_a_new_path_is_not_the_block_that_was_closed(ids: tuple[int, ...]) -> None:
    conversation = rejecting(max_ahead=8)
    conversation.hear(Propose(0, 0, (1,), closed=True))
    conversation.commit(conversation.pending(), (1, 2))
    conversation.hear(Propose(2, 2, ids))
    assert conversation.pending().closed is False
