"""The stream's laws over thousands of random interleavings of a hostile link."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from shared.errors import InvalidValue, OutOfStep, Unsupported
from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import Pace, Propose
from tests.support.hostile_link import Run, Setting

RUNS = 250


def settings(first: int, pace: Pace) -> list[Setting]:
    rng = random.Random(first)
    return [
        Setting(
            seed=first + i,
            agreement=rng.choice([0, 30, 60, 85, 100]),
            window=rng.choice([1, 2, 4, 16]),
            max_ahead=rng.choice([1, 2, 5, 64]),
            pace=pace,
            hostility=rng.choice([0.0, 0.01, 0.05]),
            admitted=rng.choice([(None,), (0,), (1,), (3,), (None, 0, 1, 2, 5, 99)]),
            in_flight=rng.choice([None, 0, 1, 7]),
            rest=rng.choice([0, 1, 5]) if pace is Pace.EAGER else 0,
            turn=rng.choice([1, 3, 8]),
        )
        for i in range(RUNS)
    ]


@pytest.mark.parametrize("pace", list(Pace))
@pytest.mark.parametrize("first", range(0, 6 * RUNS, RUNS))
def test_no_interleaving_changes_the_text_or_stops_it(first: int, pace: Pace) -> None:
    counts: Counter[str] = Counter()
    for setting in settings(first, pace):
        run = Run(setting)
        run.finish()
        counts.update(run.counts)
    assert {"cut", "lose", "resume", "merge", "end_step", "end_draft"} <= counts.keys()


def edge() -> EdgeConversation:
    return EdgeConversation(Rules(window=4, max_ahead=8, rows=10, placeholder_ids=frozenset({9})))


def test_proposals_that_the_edges_own_steps_overtook_cost_nothing() -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1, 2, 3)))
    conversation.commit(conversation.pending(), (1, 2))
    assert conversation.pending().ids == (3,)


def test_a_dead_path_stays_dead_until_it_restarts() -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1, 2)))
    conversation.commit(conversation.pending(), (7,))
    conversation.hear(Propose(0, 2, (7,)))
    assert conversation.pending().ids == ()
    conversation.hear(Propose(1, 1, (3,)))
    assert conversation.pending().ids == (3,)


def test_a_thrifty_step_waits_for_proposals_unless_the_device_yields() -> None:
    conversation = edge()
    assert not conversation.may_step(Pace.THRIFTY)
    assert conversation.may_step(Pace.EAGER)
    assert not conversation.may_step(Pace.AUTO)
    assert conversation.has_room  # for a step in its turn
    conversation.yielded = True
    assert conversation.may_step(Pace.THRIFTY)
    assert conversation.may_step(Pace.AUTO)


def test_a_silent_device_keeps_no_target_busy() -> None:
    conversation = edge()
    while conversation.may_step(Pace.EAGER):
        conversation.commit(conversation.pending(), (1,))
    assert len(conversation.committed) == 8


@pytest.mark.parametrize(
    ("propose", "named"),
    [
        (Propose(1, 1, ()), "propose.seen"),
        (Propose(0, 0, (1, 2, 3, 4, 5)), "propose.ids"),
        (Propose(0, 1, (1, 2, 3, 4)), "propose.ids"),
        (Propose(0, 0, (10,)), "propose.ids is 10"),
        (Propose(0, 0, (9,)), "stands for a picture"),
    ],
)
def test_a_proposal_beyond_the_rules_is_refused_by_name(propose: Propose, named: str) -> None:
    conversation = edge()
    with pytest.raises(InvalidValue, match=named):
        conversation.hear(propose)
    assert conversation.heard == 0


@pytest.mark.parametrize("propose", [Propose(0, 0, (1,), given=1), Propose(0, 0, (1,), 0, (0.5,))])
def test_a_wish_of_another_rule_is_refused_and_not_passed_over(propose: Propose) -> None:
    with pytest.raises(Unsupported, match="by the rule coupled"):
        edge().hear(propose)


def test_seen_never_goes_back() -> None:
    conversation = edge()
    conversation.commit(conversation.pending(), (1,))
    conversation.hear(Propose(1, 1))
    with pytest.raises(InvalidValue, match="must lie between 1 and 1"):
        conversation.hear(Propose(0, 0))


def test_a_gap_in_the_path_is_out_of_step() -> None:
    conversation = edge()
    conversation.hear(Propose(0, 0, (1,)))
    with pytest.raises(OutOfStep, match="ends at 1"):
        conversation.hear(Propose(0, 2, (1,)))


def test_a_resume_before_what_was_acknowledged_is_out_of_step() -> None:
    conversation = edge()
    conversation.commit(conversation.pending(), (1, 2)[:1])
    conversation.hear(Propose(1, 1))
    with pytest.raises(OutOfStep, match=r"resume\.seen is 0"):
        conversation.resume(0)
