"""By the rule rejection the embedded pair's tokens follow the target's law. Seeds are fixed.

A fair sample fails with probability ALPHA; beside each law that must fit stands the draft's, which must not.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from benchmarks.held_out import held_out
from device_client.draft.drafter import Drafter
from shared.demo.pair import draft_folder, target_folder
from shared.speculation.coupled import Chooser
from shared.speculation.laws import SPARSE_GRAIN, SPARSE_IDS, DraftLaw, TargetLaw, point, quantised
from shared.speculation.messages import Evidence
from shared.speculation.noise import Domain, word
from shared.speculation.rejection import stands
from shared.speculation.request import SamplingParameters, SamplingWish
from shared.speculation.residual import Rejected, corrected, drawn
from shared.vlm.load import load
from shared.vlm.single import extend, prefill
from tests.statistical.test_law import Law, fits

TEMPERATURE = 2.5  # the target is so sure of itself that less leaves nothing to see
SEEDS = 1500
PLACES = 40  # of which those are taken where the two laws differ most


@cache
def places() -> list[tuple[int, TargetLaw, DraftLaw]]:
    """(position, target's law, draft's law) at the three places of an answer where the two differ most."""
    torch.set_num_threads(1)
    target, draft = load(str(target_folder())), load(str(draft_folder()))
    question = held_out(3, "describe", SamplingWish())
    parameters = SamplingParameters(PLACES, seed=1, temperature=TEMPERATURE)
    prompt = target.prepare(question.messages, question.images)
    chooser = Chooser(parameters, prompt.ids)
    drafter = Drafter(draft, question.messages, question.images)
    drafter.follow(parameters, draft.info.rows, draft.info.placeholder_ids)
    decoder, rows = prefill(target, prompt, target.see(prompt))
    found, text = list[tuple[float, int, TargetLaw, DraftLaw]](), list[int]()
    for position in range(PLACES):
        ids, chances = chooser.law(rows[-1], text)
        likely = chances > 5e-3  # a chi-square statistic needs ids that come often enough
        law = TargetLaw.rounded(ids[likely], chances[likely] / chances[likely].sum())
        theirs = quantised(*drafter.law(text))
        common = float(np.minimum(law.chances, theirs.at(law.ids)).sum())
        if len(law.ids) > 2:
            found.append((common, position, law, theirs))
        text.append(chooser.choose(rows[-1], text))
        rows = extend(target, decoder, text[-1:])
    return [place[1:] for place in sorted(found, key=lambda place: place[0])[:3]]


def proposed(law: DraftLaw, evidence: Evidence) -> DraftLaw:
    match evidence:
        case Evidence.POINT:
            return point(int(law.ids[law.counts.argmax()]))
        case Evidence.SPARSE:
            return quantised(law.ids, law.counts / law.grain, SPARSE_GRAIN, SPARSE_IDS)
        case _:
            return law


def token(seed: int, position: int, target: TargetLaw, draft: DraftLaw, part: int) -> int:
    """What comes of one proposal; the correction is drawn on the device, from a part of the row if that is enough."""
    own = draft.draw(seed, position)
    if stands(target.probability(own), draft.probability(own), word(seed, position, Domain.ACCEPT)):
        return own
    told = corrected(Rejected(target, seed, position, part).row(), draft, seed, position)
    return drawn(target, draft, seed, position) if told is None else told


@pytest.mark.parametrize("evidence", list(Evidence))
def test_the_pair_s_tokens_follow_the_target_s_law(evidence: Evidence) -> None:
    assert len(places()) == 3
    unlike = 0
    for position, target, law in places():
        draft = proposed(law, evidence)
        seen = [token(seed, position, target, draft, part=4) for seed in range(SEEDS)]
        counts: Law = np.array([seen.count(one) for one in target.ids], dtype=np.float64)
        assert counts.sum() == SEEDS  # nothing that the target would not say
        often = counts_of_often(counts, target.chances)
        assert fits(*often)
        wrong = draft.at(target.ids) + 1e-3
        unlike += not fits(*counts_of_often(counts, wrong / wrong.sum()))
    assert unlike == 3


def counts_of_often(counts: Law, law: Law) -> tuple[Law, Law]:
    """Ids that come seldom, put together."""
    often = law * counts.sum() > 10
    rest = counts[~often].sum(), law[~often].sum()
    if rest[1] * counts.sum() <= 10:  # too few even together: with the least of the others
        least = int(np.where(often, law, 2.0).argmin())
        counts, law = counts.copy(), law.copy()
        counts[least] += rest[0]
        law[least] += rest[1]
        return counts[often], law[often]
    return np.append(counts[often], rest[0]), np.append(law[often], rest[1])
