"""Commits that waited together are heard as one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Commit, Timings

QUICK = settings(derandomize=True, deadline=None, max_examples=200)
FIRST = Commit(3, (7, 8), (1,), heard=2, admitted=5, timings=Timings(10, 20))
LATER = Commit(5, (9,), (0,), heard=4, admitted=None, timings=Timings(11, 21))


def test_a_merged_commit_is_both_with_the_news_of_the_later() -> None:
    assert FIRST.merged(LATER) == Commit(3, (7, 8, 9), (1, 0), heard=4, admitted=None, timings=Timings(11, 21))


def test_a_commit_of_nothing_merges_as_well() -> None:
    assert Commit(3, ()).merged(Commit(3, (1,), (0,), heard=1)) == Commit(3, (1,), (0,), heard=1)


@pytest.mark.parametrize("start", [2, 4, 6])
def test_commits_that_do_not_follow_each_other_do_not_merge(start: int) -> None:
    with pytest.raises(ValueError, match=f"a commit from {start} does not follow"):
        FIRST.merged(Commit(start, (1,)))


@st.composite
def rows_of_commits(draw: st.DrawFn) -> list[Commit]:
    start, commits = 0, []
    for count in draw(st.lists(st.integers(0, 3), min_size=1, max_size=5)):
        ids = tuple(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
        commits.append(Commit(start, ids, (draw(st.integers(0, count)),), heard=start))
        start += count
    return commits


@QUICK
@given(rows_of_commits(), st.lists(st.integers(0, 2), max_size=6), st.integers(1, 4))
def test_it_does_not_matter_whether_commits_are_merged(commits: list[Commit], path: list[int], size: int) -> None:
    apart, together = DeviceConversation(window=6), DeviceConversation(window=6)
    for device in (apart, together):
        for token in path:
            device.draft(token, device.version)
        device.outgoing()
    merged = commits[0]
    for commit in commits[1:]:
        merged = merged.merged(commit)
    for commit in commits:
        apart.hear(commit)
    together.hear(merged)
    assert apart.committed == together.committed
    # a path that runs out between two commits and one that a longer commit overtakes are both gone
    assert apart.path == together.path
    assert apart.outgoing() == together.outgoing()


@QUICK
@given(rows_of_commits().filter(lambda commits: len(commits) > 2))
def test_merging_is_associative(commits: list[Commit]) -> None:
    first, second, third, *_ = commits
    assert first.merged(second).merged(third) == first.merged(second.merged(third))
