"""The plan of the exact benchmark: nothing is drawn too seldom, and what was drawn can be drawn again."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from benchmarks.exact.plan import AXES, COUPLED, Case, Sampling, plan, rounds
from shared.speculation.messages import Pace

PACES = tuple(Pace)
LEVELS = {
    "sampling": 5,
    "window": 3,
    "pace": len(PACES),
    "sessions": 3,
    "link": 4,
    "question": 10,
    "pruner": 11,
    "keep": 2,
    "policy": 7,
    "prefer": 4,
    "rounds": 2,
    "branches": 4,
    "rule": 5,
}
EVEN = [axis for axis in LEVELS if axis not in ("question", "rule", "pace", "sampling", "branches")]
COUPLED_CASES = [case for case in plan(600, 0, PACES) if case.manner.judged == COUPLED]


def occurrences(cases: tuple[Case, ...], axis: str) -> Counter[str]:
    return Counter(AXES[axis](case) for case in cases)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("axis", AXES)
def test_of_600_answers_each_level_of_each_axis_gets_fifty(axis: str, seed: int) -> None:
    counts = occurrences(plan(600, seed, PACES), axis)
    assert len(counts) == LEVELS[axis]
    assert min(counts.values()) >= 50


@pytest.mark.parametrize("answers", [1, 2, 3, 7, 24])
@pytest.mark.parametrize("axis", EVEN)
def test_a_smaller_plan_is_as_even_as_it_can_be(axis: str, answers: int) -> None:
    counts = occurrences(plan(answers, 0, PACES), axis)
    assert counts.total() == answers
    assert len(counts) == min(answers, LEVELS[axis])
    assert max(counts.values()) - min(counts.values()) <= 1


def test_each_level_meets_each_level_of_every_other_axis() -> None:
    few = ("question", "pruner")  # so many levels that some of their pairs want more answers
    for one, other in combinations([axis for axis in AXES if axis not in (*few, "rule")], 2):
        met = {(AXES[one](case), AXES[other](case)) for case in COUPLED_CASES}
        assert len(met) == LEVELS[one] * LEVELS[other], (one, other)


@pytest.mark.parametrize("axis", ["window", "sessions", "link", "keep", "policy", "rounds"])
@pytest.mark.parametrize("other", ["rule", "pruner"])
def test_each_rule_and_each_pruner_meets_each_level(axis: str, other: str) -> None:
    met = {(AXES[axis](case), AXES[other](case)) for case in plan(600, 0, PACES)}
    assert len(met) == LEVELS[axis] * LEVELS[other]


def test_the_rule_rejection_is_asked_for_what_it_promises_alone() -> None:
    judged = [case for case in plan(600, 0, PACES) if case.manner.evidence is not None]
    assert len(judged) == 200
    assert {case.pace for case in judged} == {Pace.THRIFTY}
    assert {case.sampling.temperature for case in judged if case.manner.policy == "marginal"} == {0.0}
    assert {case.manner.branches for case in judged} == {"0", "1", "4"}
    assert {case.sampling for case in judged} == {case.sampling for case in COUPLED_CASES}
    assert {case.pace for case in COUPLED_CASES} == set(PACES)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(60, 5, PACES) == plan(60, 5, PACES)
    assert plan(60, 5, PACES) != plan(60, 6, PACES)


def test_no_two_answers_share_a_picture_whatever_the_seed() -> None:
    scenes = [case.scene for seed in range(3) for case in plan(600, seed, PACES)]
    assert len(set(scenes)) == len(scenes)


def test_a_new_pace_leaves_the_other_axes_as_they_were() -> None:
    two, one = plan(60, 0, (Pace.EAGER, Pace.THRIFTY)), plan(60, 0, (Pace.EAGER,))
    assert {case.pace for case in one if case.manner.judged == COUPLED} == {Pace.EAGER}
    assert [(case.window, case.link, case.noise) for case in two] == [(c.window, c.link, c.noise) for c in one]


@pytest.mark.parametrize("answers", [1, 12, 600])
def test_every_case_runs_once_beside_as_many_as_it_wants(answers: int) -> None:
    cases = plan(answers, 0, PACES)
    planned = rounds(cases)
    assert sorted(case.number for each in planned for case in each.cases) == list(range(answers))
    for each in planned:
        together = [*each.cases, *each.companions]
        assert {case.sessions for case in together} == {len(together)}
        assert set(each.companions) <= set(each.cases)


def test_a_case_says_all_that_it_takes_to_ask_it_again() -> None:
    case = plan(600, 0, PACES)[17]
    assert all(level(case) in str(case) for level in AXES.values())
    assert "case 17" in str(case)
    assert str(case.noise) in str(case)


def test_weaker_sampling_lacks_one_thing() -> None:
    assert Sampling(0.7, 0.9).weaker == Sampling(0.7, 1.0)
    assert Sampling(0.7, 1.0).weaker == Sampling(0.0, 1.0)
    assert Sampling(0.0, 1.0).weaker is None


def test_top_p_reaches_the_wish() -> None:
    wishes = {(case.wish.temperature, case.wish.top_p) for case in plan(30, 0, PACES)}
    assert wishes == {(0.0, 1.0), (0.7, 0.9), (0.7, 1.0), (2.5, 0.9), (2.5, 1.0)}
