"""By the rule rejection a token follows the target's law, whatever the draft's: by counting every case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.speculation.laws import Chances, DraftLaw, TargetLaw, of_row, point, quantised
from shared.speculation.messages import Evidence
from shared.speculation.rejection import stands
from shared.speculation.residual import Rejected, corrected, drawn, residual
from tests.support.little_laws import END, Language, drafted

QUICK = settings(derandomize=True, deadline=None, max_examples=60)
EVIDENCES = list(Evidence)
weights = st.lists(st.integers(0, 50), min_size=2, max_size=6).filter(any)


def accepted_share(target: float, draft: float) -> float:
    """The exact share of 32-bit numbers with which a proposal stands: those below a threshold, found by halving."""
    low, high = 0, 2**32
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if stands(target, draft, middle) else (low, middle)
    return low / 2**32


def law_of_a_token(target: Chances, draft: DraftLaw) -> Chances:
    """The law of the token that comes of it: [ids]. Every id that may be drawn, every way that it may fare."""
    ids = np.arange(len(target))
    proposed = draft.at(ids)
    left = residual(target, proposed)
    correction = left / left.sum() if left.sum() else target
    shares = np.array([accepted_share(target[x], proposed[x]) if proposed[x] else 0.0 for x in ids])
    law: Chances = proposed * shares + (1 - proposed @ shares) * correction
    return law


@QUICK
@given(weights, weights, st.sampled_from([4, 16, 256, 2**24]), st.integers(1, 6))
def test_one_token_follows_the_target_s_law(target: list[int], draft: list[int], grain: int, most: int) -> None:
    size = max(len(target), len(draft))
    wanted = np.resize(np.array(target, float), size) / np.resize(target, size).sum()
    proposals = np.resize(np.array(draft, float), size)
    law = quantised(np.arange(size), proposals, grain, most)
    assert law_of_a_token(wanted, law) == pytest.approx(wanted, abs=1e-9)
    assert law_of_a_token(wanted, point(int(proposals.argmax()))) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("evidence", EVIDENCES)
@pytest.mark.parametrize("likeness", [0.0, 0.6, 1.0])
def test_whole_texts_follow_the_joint_law_of_the_target(evidence: Evidence, likeness: float) -> None:
    language = Language(seed=3, ids=3, likeness=likeness, length=4)
    joint: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(language.length):
        grown: dict[tuple[int, ...], float] = {}
        for text, chance in joint.items():
            if text and text[-1] == END:
                grown[text] = chance
                continue
            law = law_of_a_token(language.target(text), drafted(language, evidence, text))
            grown |= {(*text, token): chance * law[token] for token in range(3) if law[token] > 0}
        joint = grown
    assert sum(joint.values()) == pytest.approx(1.0)
    for text, chance in joint.items():
        alone = np.prod([language.target(text[:at])[token] for at, token in enumerate(text)])
        assert chance == pytest.approx(alone, abs=1e-8)


def test_a_probability_that_is_not_the_law_s_would_be_seen() -> None:
    """The scalar must be of the law that the proposal was drawn from: of the one before quantising it is not."""
    target, fine = np.array([0.5, 0.3, 0.2]), np.array([0.35, 0.33, 0.32])
    law = quantised(np.arange(3), fine, 4)
    shares = np.array([accepted_share(target[x], fine[x]) for x in range(3)])
    left = residual(target, law.at(np.arange(3)))
    wrong = law.at(np.arange(3)) * shares + (1 - law.at(np.arange(3)) @ shares) * left / left.sum()
    assert np.abs(wrong - target).max() > 0.01


@QUICK
@given(weights, st.sampled_from([1, 2, 8, 64]))
def test_a_draw_in_whole_numbers_follows_the_law_to_the_last_bit(counts: list[int], grain: int) -> None:
    law = quantised(np.arange(len(counts)), np.array(counts, float), grain)
    bits = np.arange(grain) << (32 - grain.bit_length() + 1)
    seen = np.bincount([law.drawn(int(place)) for place in bits], minlength=len(counts))
    assert seen[law.ids].tolist() == law.counts.tolist()
    assert law.grain == grain
    assert law.drawn(2**32 - 1) == law.ids[-1]


@QUICK
@given(weights, st.integers(1, 5))
def test_a_law_on_the_grid_is_the_nearest_and_keeps_the_likeliest(counts: list[int], most: int) -> None:
    chances = np.array(counts, float)
    law = quantised(np.arange(len(counts)), chances, 2**12, most)
    kept = np.sort(np.argsort(-chances, kind="stable")[:most])
    assert set(law.ids) <= set(kept.tolist())
    left = chances[kept] / chances[kept].sum()
    assert np.abs(law.at(kept) - left).max() < 2**-12
    assert np.float32(law.probability(int(law.ids[0]))) == law.probability(int(law.ids[0]))


def test_a_row_of_float32_carries_a_law_unchanged() -> None:
    law = quantised(np.array([1, 5, 9]), np.array([0.1, 0.2, 0.7]))
    again = of_row(law.row(12))
    assert (again.ids.tolist(), again.counts.tolist()) == (law.ids.tolist(), law.counts.tolist())


def long_laws(seed: int, ids: int = 400) -> tuple[TargetLaw, DraftLaw]:
    rng = np.random.default_rng(seed)
    mass = np.exp(2.5 * rng.standard_normal(ids))
    near = mass * np.exp(0.3 * rng.standard_normal(ids))
    return TargetLaw.rounded(np.arange(ids), mass / mass.sum()), quantised(np.arange(ids), near)


def test_a_part_of_a_row_tells_the_same_correction_or_says_that_it_cannot() -> None:
    enough = 0
    for seed in range(300):
        target, draft = long_laws(seed)
        rejected = Rejected(target, seed, position=7, part=8)
        whole = drawn(target, draft, seed, 7)
        assert corrected(rejected.whole_row(), draft, seed, 7) == whole
        row = rejected.row()
        assert (row.partial, len(row.ids)) == (True, 8)
        told = corrected(row, draft, seed, 7)
        assert told in (whole, None)
        enough += told is not None
    assert 200 < enough < 300


def test_a_row_of_few_ids_goes_down_whole() -> None:
    row = Rejected(TargetLaw.rounded(np.array([3, 8]), np.array([0.25, 0.75])), 1, 0).row()
    assert (row.ids, row.probabilities, row.partial) == ((3, 8), (0.25, 0.75), False)


def test_laws_that_float32_cannot_tell_apart_still_give_a_correction() -> None:
    law = TargetLaw.rounded(np.array([0, 1]), np.array([0.5, 0.5]))
    assert drawn(law, quantised(np.array([0, 1]), np.array([0.5, 0.5])), 1, 0) in (0, 1)
