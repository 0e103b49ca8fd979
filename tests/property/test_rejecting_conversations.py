"""The stream's laws by the rule rejection: no link changes the text of a seed; who reopens gets to an end."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from shared.speculation.messages import Evidence, Pace
from tests.support.hostile_link import END, Setting
from tests.support.little_laws import Language
from tests.support.rejecting_link import RejectingRun

RUNS = 120


class Unlosing(RejectingRun):
    """A run whose edge breaks off, but is never lost."""

    def lose(self) -> None:
        self.cut()


def settings(first: int) -> list[Setting]:
    rng = random.Random(first)
    return [
        Setting(
            seed=first + i,
            agreement=0,
            window=rng.choice([1, 2, 4, 16]),
            max_ahead=rng.choice([1, 2, 5, 64]),
            pace=Pace.THRIFTY,
            hostility=rng.choice([0.0, 0.01, 0.05]),
        )
        for i in range(RUNS)
    ]


@pytest.mark.parametrize("evidence", list(Evidence))
@pytest.mark.parametrize("kind", [Unlosing, RejectingRun])
def test_no_interleaving_changes_the_text_of_a_seed_or_stops_it(kind: type[RejectingRun], evidence: Evidence) -> None:
    counts: Counter[str] = Counter()
    for setting in settings(list(Evidence).index(evidence) * RUNS):
        rng = random.Random(setting.seed)
        language = Language(setting.seed, ids=8, likeness=rng.choice([0.0, 0.5, 0.9, 1.0]), length=20)
        part, branching = rng.choice([2, 64]), rng.random() < 0.5
        run = kind(
            setting, language=language, evidence=evidence, part=part, answer_seed=setting.seed, branching=branching
        )
        run.finish()
        counts.update(run.counts)
    assert counts["foreseen"] > 0
    assert {"cut", "resume", "end_step", "end_draft"} <= counts.keys()
    assert ({"corrected", "row was not enough"} <= counts.keys()) == (evidence is Evidence.SCALAR)
    assert "lose" in counts


@pytest.mark.parametrize("evidence", list(Evidence))
def test_a_closed_block_brings_a_token_of_the_target_s_own_at_the_same_places(evidence: Evidence) -> None:
    counts: Counter[str] = Counter()
    for setting in settings(9000)[:40]:
        language = Language(setting.seed, ids=8, likeness=0.9, length=20)
        texts = set()
        for salt in range(4):  # four links, one text, with branches or without
            again = replace(setting, seed=setting.seed + 1000 * salt, max_ahead=64, window=8)
            run = Unlosing(again, language=language, evidence=evidence, block=3, answer_seed=5, branching=salt % 2 > 0)
            run.relaxed = True
            run.finish()
            texts.add(tuple(run.device.committed))
            counts.update(run.counts)
        assert len(texts) == 1
        assert texts.pop()[-1] == END
    assert counts["foreseen"] > 0
    assert counts["foreseen behind a block"] > 0
