"""The arithmetic of the pruning benchmark, and that it runs on the pair."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.pruning.gain import times_as_fast
from benchmarks.pruning.measure import BUDGETS, Bare, Seen, at_every_budget, bare
from benchmarks.pruning.report import Found, tables, values
from benchmarks.pruning.rows import Row, Rows
from benchmarks.pruning.scenes import REPORTED, case
from device_client.prune.wish import parse_choice
from shared.demo.pair import draft_folder, target_folder
from shared.errors import InvalidValue
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


def test_a_cut_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file, pruned = tmp_path / "rows", {"grid": [seen(1, 0, 1), seen(0, 0, 1)]}
    row = Row(7, Bare(seen(1, 1, 1), seen(0, 0, 0, kept=0), 0.01), pruned)
    Rows(("target", "draft"), file).add(row)
    with file.open("a") as lines:
        lines.write('{"models": ["tar')  # cut here
    again = Rows(("target", "draft"), file)
    assert again.get(7, ["grid"]) == row
    assert again.get(7, ["grid", "pool"]) is None
    assert again.get(8, ["grid"]) is None
    with pytest.raises(InvalidValue, match="must be rows of"):
        Rows(("target", "another"), file)


def test_it_runs_on_the_pair() -> None:
    torch.set_num_threads(1)
    asked, names = case(load(str(target_folder())), load(str(draft_folder())), REPORTED), ("covspec", "verifier")
    found = Found.of([Row(0, bare(asked), {name: list(at_every_budget(asked, parse_choice(name))) for name in names})])
    everything = found.everything[0].kept
    assert [row[0].kept for row in found.pruned["covspec"]] == [round(part * everything) for part in BUDGETS]
    assert "| covspec |" in tables(found, names)
    told = values(found, names)
    assert len(told) == 2 + 2 * len(BUDGETS)
    assert [value["kept_share"] for value in told[:2]] == [1.0, 0.0]
