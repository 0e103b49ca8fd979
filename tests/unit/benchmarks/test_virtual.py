"""The replay is the two-stream model where it knows no more than that; whatever drafts, the text is the target's."""

from __future__ import annotations

import random

import pytest

from benchmarks.speed.foretell import Times, foretell
from benchmarks.virtual.cells import Cell, at_window, control, measured, played, ratio
from benchmarks.virtual.clock import Clock
from benchmarks.virtual.device import Costs, VirtualDevice
from benchmarks.virtual.edge import Manner, StepCurve
from benchmarks.virtual.traces import BRANCH, DEPTH, Trace
from device_client.draft.calibration import Calibration
from device_client.draft.strategy import Strategy
from shared.speculation.coupled import Choice
from shared.speculation.messages import Pace

MS = 1e-3


def trace(seed: int, share: float, length: int = 120, foresees: float = 0.6) -> Trace:
    """A target that says 10, 11, ...; a draft that is right this often, and unsure where it is wrong."""
    rng = random.Random(seed)
    firsts = []
    for place in range(length):
        right, gap = rng.random() < share, rng.expovariate(1)
        second = 10 + place if rng.random() < foresees else 7
        token, other, gap = (10 + place, 7, gap + 3) if right else (5, second, gap)
        firsts.append(Choice(token, other, gap, 1 / (1 + gap), gap / (1 + gap)))
    astray = Choice(6, 7, 0.5, 1.0, 0.4)
    ahead, aside = [], []
    for place in range(length):
        agreed = next((n for n in range(DEPTH) if firsts[min(place + n, length - 1)].token == 5), DEPTH - 1) + 1
        known = firsts[place : place + agreed]
        ahead.append((*known, *[astray] * (DEPTH - len(known))))
        aside.append(() if firsts[place].runner_up == 10 + place else (astray,) * BRANCH)
    return Trace(tuple(range(10, 10 + length)), tuple(ahead), tuple(aside))


def test_events_come_in_order_of_time_and_then_of_planning() -> None:
    clock, seen = Clock(), list[int]()
    for number, moment in enumerate((2.0, 1.0, 1.0, 0.0)):
        clock.at(moment, lambda number=number: seen.append(number))  # type: ignore[misc]
    clock.run(until=lambda: len(seen) == 4)
    assert seen == [3, 1, 2, 0]
    with pytest.raises(RuntimeError, match="nothing will happen"):
        clock.run(until=lambda: False)


@pytest.mark.parametrize(("step", "draft", "round_trip"), [(190, 55, 20), (190, 55, 200), (40, 30, 60), (40, 1, 20)])
def test_a_whole_window_without_branches_is_the_two_stream_model(step: float, draft: float, round_trip: float) -> None:
    answers = [trace(seed, 0.85) for seed in range(6)]
    costs = Costs(draft * MS, StepCurve((step * MS,)), round_trip * MS)
    found = ratio(at_window(answers, costs, 16, Manner()))
    matches = [[place[0].token == token for place, token in zip(one.ahead, one.ids, strict=True)] for one in answers]
    times = Times(draft * MS, (step * MS,), round_trip * MS)
    expected = [foretell(each, times) for each in matches]
    assert found == pytest.approx(sum(e.alone for e in expected) / sum(e.seconds for e in expected), rel=0.05)


@pytest.mark.parametrize("pace", list(Pace))
@pytest.mark.parametrize("lockstep", [False, True])
@pytest.mark.parametrize("branching", [False, True])
def test_every_answer_comes_to_its_end(pace: Pace, lockstep: bool, branching: bool) -> None:
    manner, costs = Manner(pace=pace), Cell(40, 5, 60, 1).costs(ride=0.1)
    for share in (0.0, 0.7, 1.0):
        one = trace(3, share)
        strategy = Strategy(lockstep=lockstep, branching=branching)
        played_one = VirtualDevice(one, costs, control(strategy, manner, Calibration()), manner).run()
        assert played_one.tokens == len(one.ids)
        assert played_one.steps <= len(one.ids)
        assert played_one.foreseen <= played_one.corrections


def test_branches_that_foresee_corrections_are_faster_and_those_that_do_not_cost_little() -> None:
    costs = Cell(190, 55, 20, 17.3).costs(ride=0.1)
    for foresees, least in ((0.9, 1.05), (0.0, 0.97)):
        answers = [trace(seed, 0.85, foresees=foresees) for seed in range(4)]
        plain, branched = (ratio(played(answers, costs, Strategy(branching=b), Manner())) for b in (False, True))
        assert branched > least * plain


@pytest.mark.parametrize(("draft", "round_trip"), [(30, 5), (30, 200), (1, 20), (12, 60)])
def test_where_the_edge_waits_marginal_is_as_good_as_the_best_window(draft: float, round_trip: float) -> None:
    manner, costs = Manner(pace=Pace.THRIFTY), Cell(40, draft, round_trip, 100).costs(ride=0.1)
    answers = [trace(seed, 0.85, 60) for seed in range(4)]
    best = max(ratio(at_window(answers, costs, window, manner)) for window in (1, 2, 3, 5, 8, 16))
    assert ratio(played(answers, costs, Strategy(branching=False), manner)) > 0.95 * best


def test_a_cell_says_what_each_policy_brings() -> None:
    outcome = measured(Cell(190, 55, 60, 100), [trace(seed, 0.85) for seed in range(3)], Manner(), ride=0.1)
    assert outcome.policies["marginal"] > 0.95 * outcome.best_fixed > 0.95
    assert 0 < outcome.foreseen < 1
    assert outcome.passes < 1 < outcome.computed


def test_a_trace_is_the_same_after_a_file() -> None:
    one = trace(1, 0.7, 20)
    assert Trace.from_json(one.as_json()) == one
