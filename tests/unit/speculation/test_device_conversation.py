"""The device's conversation by example: what it sends, what it keeps, what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import OutOfStep
from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Commit, Propose
from shared.speculation.reach import reach


def device(*path: int, window: int = 4, committed: tuple[int, ...] = ()) -> DeviceConversation:
    conversation = DeviceConversation(window, committed)
    for token in path:
        assert conversation.draft(token, conversation.version)
    return conversation


def test_nothing_to_say_is_not_said() -> None:
    assert device().outgoing() is None
    assert device(committed=(1, 2)).outgoing() is None


def test_what_was_sent_is_not_sent_again() -> None:
    conversation = device(1, 2)
    assert conversation.outgoing() == Propose(0, 0, (1, 2))
    assert conversation.outgoing() is None
    conversation.draft(3, conversation.version)
    assert conversation.outgoing() == Propose(0, 2, (3,))


def test_a_commit_that_agrees_shortens_the_path_and_is_acknowledged() -> None:
    conversation = device(1, 2, 3)
    conversation.outgoing()
    conversation.hear(Commit(0, (1, 2)))
    assert (conversation.committed, conversation.path, conversation.room) == ([1, 2], [3], 3)
    assert conversation.outgoing() == Propose(2, 3)
    assert conversation.outgoing() is None


def test_a_commit_beyond_what_was_sent_leaves_the_rest_unsent() -> None:
    conversation = device(1)
    conversation.outgoing()
    for token in (2, 3):
        conversation.draft(token, conversation.version)
    conversation.hear(Commit(0, (1, 2)))
    assert conversation.outgoing() == Propose(2, 2, (3,))


@pytest.mark.parametrize("ids", [(9,), (1, 9), (1, 2, 3), (9, 1, 2)])
def test_a_commit_that_disagrees_or_goes_further_drops_the_path(ids: tuple[int, ...]) -> None:
    conversation = device(1, 2)
    version = conversation.version
    conversation.outgoing()
    conversation.hear(Commit(0, ids))
    assert (conversation.committed, conversation.path, conversation.room) == (list(ids), [], 4)
    assert conversation.version != version
    assert conversation.outgoing() == Propose(len(ids), len(ids))


def test_a_commit_that_agrees_leaves_forwards_valid() -> None:
    conversation = device(1, 2)
    version = conversation.version
    conversation.hear(Commit(0, (1, 2)))
    assert conversation.version == version
    assert conversation.draft(3, version)


def test_a_forward_for_a_path_that_is_gone_is_thrown_away() -> None:
    conversation = device(1)
    version = conversation.version
    conversation.hear(Commit(0, (9,)))
    assert not conversation.draft(2, version)
    assert conversation.path == []


def test_a_forward_for_a_path_that_is_gone_is_no_error_when_the_window_is_full() -> None:
    conversation = device(1, window=1)
    version = conversation.version
    conversation.hear(Commit(0, (9,)))
    conversation.draft(2, conversation.version)
    assert not conversation.draft(3, version)


def test_a_full_window_takes_no_more() -> None:
    conversation = device(1, 2, window=2)
    assert conversation.room == 0
    with pytest.raises(ValueError, match="the window of 2 is full"):
        conversation.draft(3, conversation.version)
    conversation.hear(Commit(0, (1,)))
    assert conversation.draft(3, conversation.version)


@pytest.mark.parametrize("start", [0, 1, 3])
def test_a_commit_from_elsewhere_is_out_of_step_and_changes_nothing(start: int) -> None:
    conversation = device(7, committed=(1, 2))
    with pytest.raises(OutOfStep, match=f"start is {start}: the device holds 2"):
        conversation.hear(Commit(start, (7,)))
    assert (conversation.committed, conversation.path) == ([1, 2], [7])


def test_a_commit_of_nothing_changes_nothing() -> None:
    conversation = device(1, 2)
    conversation.outgoing()
    version = conversation.version
    conversation.hear(Commit(0, ()))
    assert (conversation.path, conversation.version) == ([1, 2], version)
    assert conversation.outgoing() is None


def test_after_a_cut_the_whole_path_is_sent_anew_from_what_is_committed() -> None:
    conversation = device(1, 2, 3)
    conversation.outgoing()
    conversation.hear(Commit(0, (1,)))
    conversation.reconnect()
    assert conversation.outgoing() is None
    assert conversation.resuming
    conversation.hear(Commit(1, (2,)))
    assert conversation.outgoing() == Propose(2, 2, (3,))


def test_an_edge_that_does_not_know_the_answer_hears_the_path_at_once() -> None:
    conversation = device(1, 2, 3)
    conversation.outgoing()
    conversation.hear(Commit(0, (1,)))
    conversation.reconnect()
    conversation.reopen()
    assert conversation.outgoing() == Propose(1, 1, (2, 3))


def test_after_a_cut_an_acknowledgement_that_the_resume_carried_is_not_repeated() -> None:
    conversation = device()
    conversation.hear(Commit(0, (1,)))
    conversation.reconnect()
    conversation.hear(Commit(1, ()))
    assert conversation.outgoing() is None


def test_what_was_given_as_committed_is_not_changed() -> None:
    given = [1, 2]
    conversation = DeviceConversation(4, given)
    conversation.hear(Commit(2, (3,)))
    assert given == [1, 2]


@pytest.mark.parametrize(
    ("admitted", "in_flight", "length"),
    [
        (None, None, 16),  # no limit was said
        (None, 3, 16),
        (5, None, 16),  # nothing was measured
        (0, None, 2),  # none is looked at
        (0, 0, 2),  # one for the step that runs, and one so that a look at one finds one
        (0, 3, 5),
        (1, 3, 6),
        (5, 0, 11),
        (5, 3, 14),
        (6, 3, 16),
        (99, 0, 16),
        (0, 99, 16),
    ],
)
def test_a_path_reaches_as_far_as_the_next_step_looks_behind_the_one_that_runs(
    admitted: int | None, in_flight: int | None, length: int
) -> None:
    assert reach(16, admitted, in_flight) == length


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 64), st.none() | st.integers(0, 2**32), st.none() | st.integers(0, 10**9))
def test_a_path_is_never_empty_nor_beyond_the_window(window: int, admitted: int | None, in_flight: int | None) -> None:
    assert 1 <= reach(window, admitted, in_flight) <= window


def test_a_device_drafts_no_further_than_the_edge_last_said() -> None:
    conversation = device(1, 2, 3, window=16)
    assert conversation.wanted(0) == 13
    conversation.hear(Commit(0, (1,), admitted=3))
    assert conversation.wanted(None) == 14
    assert conversation.wanted(0) == 5
    assert conversation.wanted(2) == 7
    conversation.hear(Commit(1, (2,), admitted=0))
    assert (conversation.path, conversation.wanted(0)) == ([3], 1)
    conversation.hear(Commit(2, (9,), admitted=0))
    assert conversation.wanted(0) == 2
    conversation.hear(Commit(3, (9,)))
    assert conversation.wanted(0) == 16


def test_a_device_whose_path_was_wrong_rests_while_the_edge_looks_at_none() -> None:
    conversation = DeviceConversation(16, rest=3)
    conversation.hear(Commit(0, (1,), (0,), admitted=0))
    assert conversation.wanted(0) == 2  # nothing was wrong yet
    conversation.draft(7, conversation.version)
    assert conversation.wanted(0) == 1  # what is begun is finished
    for start in range(1, 4):
        conversation.hear(Commit(start, (2,), (0,), admitted=0))
        assert conversation.wanted(0) == 0
    conversation.hear(Commit(4, (2,), (0,), admitted=0))
    assert conversation.wanted(0) == 2


def test_nobody_rests_who_is_looked_at() -> None:
    conversation = DeviceConversation(16, rest=3)
    conversation.draft(7, conversation.version)
    conversation.hear(Commit(0, (1,), (0,), admitted=0))
    assert conversation.wanted(0) == 0
    conversation.hear(Commit(1, (2,), (0,), admitted=1))
    assert conversation.wanted(0) == 3


@pytest.mark.parametrize(
    ("ids", "dropped"), [((1,), 0), ((1, 2, 3), 0), ((9,), 3), ((1, 9), 2), ((1, 2, 9), 1), ((1, 2, 3, 4), 0)]
)
def test_what_is_thrown_away_is_what_the_text_left_no_place_for(ids: tuple[int, ...], dropped: int) -> None:
    assert device(1, 2, 3).hear(Commit(0, ids)) == dropped
