"""The cost rule: what is fitted, what is believed, what is admitted."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_server.engine.cost import (
    MOST_HARM,
    MOST_LEAD,
    Experience,
    Load,
    StepTime,
    Survival,
    admit,
    lead_after,
    probe_interval,
)
from shared.speculation.pending import Fate, fate_of
from shared.speculation.tree import Tree


def fitted(fixed: float, token: float, cached: float = 0.0, noise: float = 0.0) -> StepTime:
    rng, time = random.Random(1), StepTime()
    for _ in range(300):
        sessions = rng.randint(1, 4)
        load = Load(sessions + rng.randint(0, 8 * sessions), sessions, rng.randint(100, 4000))
        truth = fixed + token * load.tokens + cached * load.cached
        time.saw(load, truth * rng.uniform(1 - noise, 1 + noise))
    return time


chances = st.lists(st.floats(0.01, 1.0), max_size=8).map(lambda values: sorted(values, reverse=True))
costs = st.tuples(st.floats(1e-4, 0.2), st.floats(1e-5, 0.05))


def test_the_fit_finds_the_cost_of_tokens_and_cache() -> None:
    time = fitted(0.05, 0.002, 1e-6, noise=0.05)
    assert time.seconds(Load(1, 1, 1000)) == pytest.approx(0.053, rel=0.05)
    assert time.seconds(Load(30, 4, 1000)) == pytest.approx(0.111, rel=0.05)


def test_the_fit_follows_a_machine_that_becomes_slower() -> None:
    time = fitted(0.05, 0.002)
    for tokens in list(range(1, 9)) * 60:
        time.saw(Load(tokens, 1, 500), 0.1 + 0.004 * tokens)
    assert time.seconds(Load(4, 1, 500)) == pytest.approx(0.116, rel=0.1)


def test_more_work_never_looks_faster() -> None:
    time = StepTime()
    for tokens, seconds in ((1, 0.05), (4, 0.04), (8, 0.03)) * 20:
        time.saw(Load(tokens, 1, 100), seconds)
    assert time.seconds(Load(9, 1, 100)) >= time.seconds(Load(1, 1, 100))


def test_a_depth_that_was_not_reached_is_unknown_and_not_failed() -> None:
    experience = Experience()
    for _ in range(50):
        experience.saw(looked_at=4, accepted=0)
    assert experience.rate(0, prior=0.7, weight=4) < 0.1
    assert experience.rate(1, prior=0.7, weight=4) == pytest.approx(0.7)


def test_a_new_session_leans_on_what_all_sessions_saw() -> None:
    everybody = Experience()
    old = Survival(everybody)
    for _ in range(100):
        old.saw(looked_at=4, accepted=4)
    assert Survival(everybody).paths(4)[-1] > 0.85


def test_nothing_is_admitted_before_a_step_was_seen() -> None:
    assert admit([[0.9, 0.8]], Load(1, 1, 100), StepTime()) == [0]


def test_proposals_are_nearly_free_where_memory_is_the_limit() -> None:
    assert admit([[0.9**k for k in range(1, 9)]], Load(1, 1, 100), fitted(0.1, 0.0005)) == [8]


def test_a_compute_bound_target_looks_at_none() -> None:
    assert admit([[0.9, 0.8, 0.7]], Load(1, 1, 100), fitted(1e-6, 0.01)) == [0]


def test_two_equal_sessions_are_both_served() -> None:
    path = [0.9**k for k in range(1, 5)]
    assert admit([path, path], Load(2, 2, 100), fitted(0.05, 0.002)) == [4, 4]


def test_a_session_without_proposals_is_not_made_slower() -> None:
    path = [0.9**k for k in range(1, 5)]
    assert admit([path, []], Load(2, 2, 100), fitted(0.05, 0.002)) == [0, 0]
    assert admit([path, []], Load(2, 2, 100), fitted(0.05, 0.0001)) == [4, 0]


def test_who_is_ahead_lets_the_others_have_theirs() -> None:
    path, base, time = [0.9**k for k in range(1, 5)], Load(2, 2, 100), fitted(0.05, 0.002)
    assert admit([path, []], base, time, [0.0, 1.0]) == [4, 0]
    assert admit([path, []], base, time, [0.0, 0.01]) == [0, 0]
    assert admit([path, []], base, time, [5.0, -1.0]) == [0, 0]


def test_a_lead_is_what_was_won_less_what_it_cost() -> None:
    assert lead_after(0.0, accepted=2, stretch=1.5) == 1.5
    assert lead_after(1.5, accepted=0, stretch=2.0) == 0.5
    assert lead_after(-1.0, accepted=1, stretch=1.0) == 0.0
    assert lead_after(0.0, accepted=9, stretch=1.0) == MOST_LEAD
    assert lead_after(0.0, accepted=0, stretch=90.0) == -MOST_LEAD


@pytest.mark.parametrize("dear", [0.0005, 0.003, 0.02])
@pytest.mark.parametrize("seed", range(5))
def test_nobody_s_text_falls_behind_itself_without_proposals(seed: int, dear: float) -> None:
    """Sessions of all kinds, and proposals that are there in some steps only: counted in tokens that stood."""
    rng, time = random.Random(seed), fitted(0.05, dear)
    likely = [0.0, 0.2, 0.5, 0.7, 0.9, 0.97]
    said, alone, leads = [0.0] * 6, [0.0] * 6, [0.0] * 6
    base = Load(6, 6, 100)
    for _ in range(2000):
        paths = [[chance**depth for depth in range(1, rng.choice((1, 5, 9)))] for chance in likely]
        admitted = admit(paths, base, time, leads)
        stretch = time.seconds(Load(6 + sum(admitted), 6, 100)) / time.seconds(base)
        for i, count in enumerate(admitted):
            accepted = next((depth for depth in range(count) if rng.random() >= likely[i]), count)
            leads[i] = lead_after(leads[i], accepted, stretch)
            said[i] += 1 + accepted
            alone[i] += stretch
    assert all(tokens >= 0.98 * floor - 2 * MOST_LEAD for tokens, floor in zip(said, alone, strict=True))


@settings(deadline=None)  # a busy machine is no error
@given(st.lists(st.tuples(chances, st.floats(-4, 4)), min_size=1, max_size=4), costs)
def test_what_is_admitted_gains_and_harms_nobody(
    sessions: list[tuple[list[float], float]], cost: tuple[float, float]
) -> None:
    time = fitted(*cost)
    paths, leads = [path for path, _ in sessions], [lead for _, lead in sessions]
    base = Load(len(paths), len(paths), 500)
    admitted = admit(paths, base, time, leads)
    expected = [1 + sum(path[:count]) for path, count in zip(paths, admitted, strict=True)]
    alone, now = time.seconds(base), time.seconds(Load(base.tokens + sum(admitted), base.sessions, base.cached))
    assert all(count <= len(path) for path, count in zip(paths, admitted, strict=True))
    assert sum(expected) / now >= len(paths) / alone * (1 - 1e-9)
    most = min(tokens + max(0.0, lead) for tokens, lead in zip(expected, leads, strict=True))
    assert now / alone <= max(MOST_HARM, most) * (1 + 1e-9)


def test_probes_cost_at_most_a_hundredth_of_the_time() -> None:
    time = fitted(1e-6, 0.01)
    base = Load(1, 1, 100)
    added = time.seconds(Load(2, 1, 100)) - time.seconds(base)
    assert added / (probe_interval(base, time) * time.seconds(base)) <= 0.01 * (1 + 1e-6)


forests = st.lists(st.tuples(st.integers(-1, 8), st.integers(0, 3)), max_size=10).map(
    lambda nodes: Tree(
        tuple(range(len(nodes))), tuple(min(parent, place - 1) for place, (parent, _) in enumerate(nodes))
    )
)


@given(forests, st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=20))
@settings(deadline=None)
def test_of_what_may_follow_a_place_at_most_one_stands(tree: Tree, texts: list[list[int]]) -> None:
    survival = Survival(Experience())
    for text in texts:
        survival.learned(fate_of(tree, text))
    chances = survival.chances(tree)
    for place in range(-1, len(tree)):
        children = [chances[child] for child in tree.children(place)]
        assert sum(children) <= (chances[place] if place >= 0 else 1.0) + 1e-9
        assert all(chance > 0 for chance in children)


def test_a_path_is_a_tree_of_one_branch() -> None:
    one, other = Survival(Experience()), Survival(Experience())
    for looked_at, accepted in ((4, 4), (4, 1), (3, 0), (6, 5)) * 5:
        one.saw(looked_at, accepted)
        other.learned(Fate(looked_at, accepted))
    assert one.paths(8) == other.paths(8) == other.chances(Tree.chain(range(8)))


def test_what_is_proposed_beside_the_first_is_believed_as_often_as_it_stood() -> None:
    survival, tree = Survival(Experience()), Tree((1, 2, 3), (-1, -1, 1))
    for _ in range(60):  # the first never stands, the second always does, and what follows it
        survival.learned(fate_of(tree, (2, 3)))
    first, second, third = survival.chances(tree)
    assert first < 0.1
    assert 0.8 < third < second
    for _ in range(300):
        survival.learned(fate_of(tree, (9,)))
    assert survival.chances(tree)[1] < 0.2
