"""How many proposals a step will look at, as the device is told: what the cost rule says of a whole window."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from edge_server.engine.batch import WARM_UP, Batch, Batching
from edge_server.engine.cost import Load
from edge_server.engine.plan import Look
from tests.support.batches import WINDOW, Told, session, step
from tests.support.system import alone, asked, toy_target


def cost(load: Load, fixed: float, token: float) -> float:
    return fixed + token * load.tokens


FREE = partial(cost, fixed=0.1, token=1e-6)  # memory is the limit
DEAR = partial(cost, fixed=1e-6, token=0.1)  # computing is
MIDDLING = partial(cost, fixed=0.1, token=0.004)


def steps(count: int, cost: partial[float], *told: Told, offer: int = WINDOW, proposals: bool = True) -> None:
    """Steps in which each device offers so many wrong ids; the steps cost what `cost` says."""
    vlm, batch = toy_target(), Batch(Batching(proposals=proposals))
    for each in told:
        step(vlm, batch, [each.session], cost)  # takes the prompt
    for _ in range(count):
        step(vlm, batch, [each.session for each in told], cost)
        for each in told:
            each.propose([40] * offer)


def test_nothing_is_said_while_the_engine_learns() -> None:
    told = session(toy_target())
    steps(WARM_UP, FREE, told)
    assert [commit.admitted for commit in told.commits] == [None] * (1 + WARM_UP)


def test_a_device_that_offered_nothing_is_told_of_the_first_guess() -> None:
    told = session(toy_target())
    steps(WARM_UP + 1, FREE, told, offer=0)
    assert told.commits[-1].admitted == 8  # as many as are likelier than 1 in 20 at the first guess of 0.7


def test_a_window_is_not_looked_at_further_than_the_edge_may_run_ahead() -> None:
    told = session(toy_target(), max_ahead=5)
    steps(WARM_UP + 1, FREE, told, offer=0)
    assert told.commits[-1].admitted == 4


def test_a_compute_bound_target_says_that_it_looks_at_none() -> None:
    told = session(toy_target())
    steps(WARM_UP + 20, DEAR, told)
    assert told.commits[-1].admitted == 0


def test_without_proposals_none_is_looked_at_from_the_first_commit_on() -> None:
    told = session(toy_target())
    steps(5, FREE, told, proposals=False)
    assert [commit.admitted for commit in told.commits] == [0] * 6


@pytest.mark.parametrize("cost", [FREE, MIDDLING, DEAR])
def test_what_is_said_is_what_is_looked_at_if_a_whole_window_comes(cost: partial[float]) -> None:
    vlm, batch, told = toy_target(), Batch(Batching()), session(toy_target())
    right, looks = alone(toy_target(), asked("hello", ignore_eos=True, max_tokens=900)), 0
    for _ in range(60):
        plan = step(vlm, batch, [told.session], cost)
        (offer,) = [work.offer for work in plan.works]
        assert offer is not None
        if plan.look is Look.RULE and offer.waiting == WINDOW:
            assert told.commits[-1].admitted == len(offer.pending.ids)
            looks += 1
        begin = told.session.offers.length
        told.propose([40 if at % 9 == 0 else right[at] for at in range(begin, begin + WINDOW)])
    assert looks > 20


@pytest.mark.parametrize("drafts_well", [False, True])
def test_the_others_are_taken_as_they_are(*, drafts_well: bool) -> None:
    told, other = session(toy_target()), session(toy_target(), "another")
    right = alone(toy_target(), asked("another", ignore_eos=True, max_tokens=900))
    vlm, batch = toy_target(), Batch(Batching())
    said: set[int | None] = set()
    for each in (told, other):
        step(vlm, batch, [each.session], MIDDLING)
    for number in range(4 * WARM_UP):
        has_some = number % 4 < 2
        path = right[other.session.offers.length :] if drafts_well else [40] * WINDOW
        other.propose(path[: WINDOW if has_some else 0])
        before = told.session.verdict
        step(vlm, batch, [told.session, other.session], MIDDLING)
        if told.session.verdict is not before and not has_some:
            said.add(told.commits[-1].admitted)
    if drafts_well:
        assert max(count or 0 for count in said) > 0  # the other is ahead, and can wait
    else:
        assert said == {0}  # who gains nothing is not made slower


def test_each_session_of_many_is_told_anew_in_its_turn() -> None:
    told = [session(toy_target(), f"number {number}") for number in range(5)]
    steps(WARM_UP + 30, FREE, *told)
    judged_at = [each.session.verdict.step for each in told]
    assert max(judged_at) - min(judged_at) == len(told) - 1
    assert all(each.commits[-1].admitted is not None for each in told)


@pytest.mark.parametrize("sessions", [1, 6])
def test_looks_at_what_is_not_worth_it_cost_a_hundredth_however_many_sessions_there_are(sessions: int) -> None:
    vlm, batch = toy_target(), Batch(Batching())
    told = [session(toy_target(), f"number {number}") for number in range(sessions)]
    for each in told:
        step(vlm, batch, [each.session], DEAR)
    looked, steps_seen = Counter[int](), 400
    for number in range(WARM_UP + steps_seen):
        plan = step(vlm, batch, [each.session for each in told], DEAR)
        if number >= WARM_UP and plan.look is not Look.AWAY:
            looked.update(i for i, work in enumerate(plan.works) if work.offer and work.offer.pending.ids)
        for each in told:
            each.propose([40] * WINDOW)
    assert 0 < looked.total() <= 0.01 * steps_seen * sessions + 1  # a token looked at costs as much as a session
    assert max(looked.values()) - min(looked[i] for i in range(sessions)) <= 1


def test_a_path_that_comes_seldom_is_looked_at_when_it_comes() -> None:
    vlm, batch, told = toy_target(), Batch(Batching()), session(toy_target())
    step(vlm, batch, [told.session], DEAR)
    for _ in range(WARM_UP + 200):
        step(vlm, batch, [told.session], DEAR)
        told.propose([40] * WINDOW)
    told.propose()
    for _ in range(150):
        step(vlm, batch, [told.session], DEAR)
        told.propose()
    told.propose([40])
    looks = [step(vlm, batch, [told.session], DEAR).look for _ in range(2)]
    assert Look.PROBE in looks
