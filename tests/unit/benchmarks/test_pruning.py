"""The arithmetic of the pruning benchmark, and that it runs on the pair."""

from __future__ import annotations

import pytest
import torch

from benchmarks.pruning.gain import times_as_fast
from benchmarks.pruning.measure import BUDGETS, Bare, Seen, at_every_budget, bare
from benchmarks.pruning.report import Found, tables, values
from benchmarks.pruning.scenes import cases
from device_client.prune.wish import parse_choice
from shared.demo.pair import draft_folder, target_folder
from shared.vlm.load import load


def seen(*matches: int, kept: int = 100) -> Seen:
    return Seen(tuple(map(bool, matches)), kept, kept + 20, 0.001, 0.002)


ALL = [Bare(seen(1, 1, 1, 0), seen(1, 0, 1, 0, kept=0), 0.01), Bare(seen(1, 1), seen(1, 1, kept=0), 0.01)]


def test_agreement_is_of_all_tokens_and_of_those_that_a_blind_draft_gets_wrong() -> None:
    found = Found(ALL, {})
    assert found.agreement(found.everything) == pytest.approx(5 / 6)
    assert found.sighted(found.everything) == pytest.approx(1 / 2)
    assert found.sighted(found.nothing) == 0.0
    assert found.behind(found.nothing, found.everything)[0] == pytest.approx(1 / 6)


def test_a_slow_reader_gains_by_reading_less_if_it_costs_no_agreement() -> None:
    many, few = [seen(*[1] * 40, kept=400)], [seen(*[1] * 40, kept=20)]
    assert times_as_fast(few, 10.0) > 1.05 * times_as_fast(many, 10.0)
    assert times_as_fast(few, 0.1) == pytest.approx(times_as_fast(many, 0.1))
    assert times_as_fast([seen(*[0] * 40, kept=20)], 10.0) < times_as_fast(few, 10.0)


def test_it_runs_on_the_pair() -> None:
    torch.set_num_threads(1)
    (case,) = cases(load(str(target_folder())), load(str(draft_folder())), 1)
    rows = {name: [[each] for each in at_every_budget(case, parse_choice(name))] for name in ("covspec", "verifier")}
    found = Found([bare(case)], rows)
    assert [row[0].kept for row in rows["covspec"]] == [round(part * found.everything[0].kept) for part in BUDGETS]
    assert "| covspec |" in tables(found)
    assert len(values(found)["rows"]) == 2 + 2 * len(BUDGETS)
