"""Pace auto: after those who want a step, where there is room, and in its turn."""

from __future__ import annotations

import pytest

from edge_server.engine.batch import WARM_UP, Batch, Batching
from edge_server.engine.turns import Turns
from shared.speculation.messages import Pace, Yield
from tests.support.batches import Told, session, step
from tests.support.system import toy_target


def learned(cost_of_a_token: float, *told: Told, max_batch: int = 64) -> Batch:
    """A batch that has seen enough steps of one, and of several tokens; each prompt is taken."""
    vlm, batch = toy_target(), Batch(Batching(max_batch=max_batch))
    for each in told:
        step(vlm, batch, [each.session])
    for _ in range(2 * WARM_UP):
        told[0].propose([40] * 4)
        step(vlm, batch, [told[0].session], lambda load: 0.1 + cost_of_a_token * load.tokens)
    return batch


def served(batch: Batch, turn: int, *told: Told) -> Turns:
    turns = Turns(turn, batch.alone)
    turns.sessions += [each.session for each in told]
    turns.served(list(turns.sessions), 0.0)
    return turns


def test_auto_wants_a_step_with_proposals_or_after_a_yield_only() -> None:
    told = session(toy_target(), pace=Pace.AUTO)
    batch = learned(0.0, told)
    turns = served(batch, 8, told)
    assert turns.ready(0.0).wanting == []
    told.propose([40])
    assert turns.ready(0.0).wanting == [told.session]
    step(toy_target(), batch, [told.session])
    assert turns.ready(0.0).wanting == []
    told.session.offers.hear(Yield(True))
    assert turns.ready(0.0).wanting == [told.session]


@pytest.mark.parametrize(("cost_of_a_token", "followers"), [(0.0001, 3), (0.0015, 1), (0.01, 0)])
def test_who_has_not_asked_follows_as_far_as_it_slows_nobody(cost_of_a_token: float, followers: int) -> None:
    asking, *others = [session(toy_target(), f"number {n}", (Pace.EAGER, Pace.AUTO)[n > 0]) for n in range(4)]
    batch = learned(cost_of_a_token, asking, *others)
    asking.propose()
    turns = served(batch, 8, asking, *others)
    ready = turns.ready(0.0)
    assert (ready.wanting, ready.followers) == ([asking.session], [each.session for each in others])
    plan = batch.choose(ready.wanting, ready.followers)
    assert [each for each, _ in plan.chosen] == [asking.session, *ready.followers[:followers]]
    assert (plan.followers, plan.queued) == (followers, 0)


def test_nobody_follows_while_the_engine_learns_or_beyond_the_batch() -> None:
    asking, other = session(toy_target()), session(toy_target(), "other", Pace.AUTO)
    vlm, batch = toy_target(), Batch(Batching())
    for each in (asking, other):
        step(vlm, batch, [each.session])
    assert batch.choose([asking.session], [other.session]).followers == 0
    asking, other = session(toy_target()), session(toy_target(), "other", Pace.AUTO)
    batch = learned(0.0, asking, other, max_batch=1)
    assert batch.choose([asking.session], [other.session]).followers == 0


def test_a_step_that_has_passed_by_turn_less_one_times_is_wanted() -> None:
    asking, other = session(toy_target()), session(toy_target(), "other", Pace.AUTO)
    turns = served(learned(0.0, asking, other), 4, asking, other)
    for _ in range(3):
        assert turns.ready(0.0).wanting == [asking.session]
        turns.served([asking.session], 0.0)
    assert turns.ready(0.0).wanting == [other.session, asking.session]
    assert turns.wait(0.0) == 0


@pytest.mark.parametrize("pace", [Pace.EAGER, Pace.THRIFTY])
def test_no_other_pace_is_stepped_unasked(pace: Pace) -> None:
    told = session(toy_target(), pace=pace, max_ahead=3)
    batch = learned(0.0, session(toy_target()))
    step(toy_target(), batch, [told.session])
    assert not told.session.may_follow
    turns = served(batch, 1, told)
    assert turns.wait(1e9) == (0.0 if pace is Pace.EAGER else None)


def test_an_idle_engine_waits_a_turn_of_its_own_steps_and_no_longer() -> None:
    told = session(toy_target(), pace=Pace.AUTO)
    batch = learned(0.0, told)
    told.propose()
    turns = served(batch, 8, told)
    assert turns.wait(0.0) == pytest.approx(0.8, abs=0.01)
    assert turns.wait(0.3) == pytest.approx(0.5, abs=0.01)
    assert turns.ready(0.3).wanting == []
    assert turns.wait(5.0) == 0
    assert turns.ready(5.0).wanting == [told.session]


def test_who_runs_ahead_too_far_parks_or_ends_has_no_turn() -> None:
    told = session(toy_target(), pace=Pace.AUTO, max_ahead=1)
    batch = learned(0.0, session(toy_target()))
    step(toy_target(), batch, [told.session])
    turns = served(batch, 1, told)
    assert turns.wait(1e9) is None
    told.propose()
    assert turns.wait(1e9) == 0
    told.session.parked = True
    assert turns.wait(1e9) is None


def test_an_answer_of_pace_auto_without_proposals_does_not_keep_others_from_theirs() -> None:
    for pace, looked_at in ((Pace.AUTO, 4), (Pace.EAGER, 0)):
        drafting, other = session(toy_target()), session(toy_target(), "other", pace)
        batch = learned(0.005, drafting, other)
        for _ in range(400):
            drafting.session.survival.saw(looked_at=4, accepted=4)
        drafting.propose([40] * 4)
        plan = batch.choose([drafting.session, other.session])
        assert [len(work.offer.pending.ids) for work in plan.works if work.offer] == [looked_at, 0]
