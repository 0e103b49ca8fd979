"""A replayed device against a perfect edge: its text is the recorded one, its proposals are wrong where recorded."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.replay.script import Recording, Script
from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import Commit, Pace, Propose
from shared.speculation.request import Message, SamplingWish, Text

QUESTION = (Message("user", (Text("what is it?"),)),)
QUICK = settings(derandomize=True, deadline=None, max_examples=200)


def recording(ids: list[int], stands: list[bool]) -> Recording:
    """The draft says another id wherever a proposal does not stand."""
    guesses = tuple(token if stood else token + 1 for token, stood in zip(ids, stands, strict=True))
    return Recording(QUESTION, (), SamplingWish(), tuple(ids), guesses)


class Edge:
    """A target that knows the text, stepping a real conversation."""

    def __init__(self, played: Recording, window: int) -> None:
        self.conversation = EdgeConversation(Rules(window, max_ahead=6, rows=100))
        self._ids = played.ids

    def step(self) -> Commit:
        """Verify what is pending, add the next id if there is one."""
        pending = self.conversation.pending()
        said = self._ids[pending.start :]
        stand = next((i for i, token in enumerate(pending.ids) if said[i : i + 1] != (token,)), len(pending.ids))
        return self.conversation.commit(pending, said[: stand + 1])

    def done(self) -> bool:
        return tuple(self.conversation.committed) == self._ids


@QUICK
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 5), st.integers(0, 2**32))
def test_on_any_interleaving_the_text_is_the_recorded_one(stands: list[bool], window: int, seed: int) -> None:
    rng = random.Random(seed)
    played = recording([rng.randrange(9) for _ in stands], stands)
    script, edge = Script(played, window), Edge(played, window)
    up: list[Propose] = []
    down: list[Commit] = []
    while not (edge.done() and not down):
        moves = ["draft"] * script.may_draft + ["say"] + ["hear"] * bool(up) + ["take"] * bool(down)
        moves += ["step"] * (not edge.done() and edge.conversation.may_step(Pace.EAGER))
        match rng.choice(moves):
            case "draft":
                script.draft(script.position, script.conversation.version)
            case "say":
                up += filter(None, [script.outgoing()])
            case "hear":
                edge.conversation.hear(up.pop(0))
            case "take":
                script.hear(down.pop(0))
            case "step":
                down.append(edge.step())
    assert script.exact
    assert tuple(script.conversation.committed) == played.ids


@QUICK
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 5))
def test_proposals_are_wrong_exactly_where_recorded(stands: list[bool], window: int) -> None:
    played = recording([5] * len(stands), stands)
    script, edge = Script(played, window), Edge(played, window)
    while not edge.done():
        while script.may_draft:
            script.draft(script.position, script.conversation.version)
        propose = script.outgoing()
        if propose is not None:
            edge.conversation.hear(propose)
            for position, token in enumerate(propose.ids, start=propose.base):
                assert (token == played.ids[position]) == stands[position]
        script.hear(edge.step())


def test_a_token_begun_for_a_dead_path_is_thrown_away() -> None:
    script = Script(recording([1, 2, 3], [True] * 3), 4)
    begun = script.position, script.conversation.version
    script.draft(*begun)
    late = script.position, script.conversation.version
    script.hear(Commit(0, (7,)))
    script.draft(*late)
    assert script.conversation.path == []


def test_what_the_edge_has_not_been_told_of_is_counted() -> None:
    script = Script(recording([1, 2, 3], [True] * 3), 4)
    script.hear(Commit(0, (1, 2)))
    assert script.unread == 2
    assert script.outgoing() == Propose(2, 2)
    assert script.unread == 0


def test_another_text_is_not_exact() -> None:
    script = Script(recording([1, 2], [True] * 2), 4)
    assert not script.exact
    script.hear(Commit(0, (1, 3)))
    assert not script.exact


def test_a_recording_has_a_guess_for_each_token() -> None:
    with pytest.raises(ValueError, match="1 guesses for 2 tokens"):
        Recording(QUESTION, (), SamplingWish(), (1, 2), (1,))
    assert recording([1, 2, 3], [True, False, True]).matches == 2
