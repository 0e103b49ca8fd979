"""Presets on the virtual clock: each comes to its end and pays for what it sends; its traces are those of its rule."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.held_out import held_out
from benchmarks.table.cell import Clock, Exact, append_cells, cell_of, read_cells
from benchmarks.table.links import LINKS
from benchmarks.table.made import read_made
from benchmarks.table.methods import METHODS, PRESET_NAMES
from benchmarks.virtual.against import costs_of
from benchmarks.virtual.against import main as against
from benchmarks.virtual.judged import Way
from benchmarks.virtual.judged import trace as judged
from benchmarks.virtual.presets import WORD, Place, cell, paper_costs, played
from benchmarks.virtual.presets import main as presets
from benchmarks.virtual.sweep import at_share
from benchmarks.virtual.traces import Trace
from device_client.draft.drafter import Drafter
from shared.speculation.coupled import Chooser
from shared.speculation.messages import Claim, Evidence
from shared.speculation.pending import Pending
from shared.speculation.prints import CommonIds
from shared.speculation.rejection import Rejection
from shared.speculation.request import SamplingWish, resolve
from shared.vlm.load import load
from shared.vlm.single import extend, prefill
from tests.unit.benchmarks.test_virtual import trace

ANSWERS = [trace(seed, 0.85, 60) for seed in range(3)]


def gated(one: Trace) -> Trace:
    """The same, with a gate that lets every other token through that is right."""
    given = tuple(
        tuple(deep % 2 == 0 and choice.gap > 3 for deep, choice in enumerate(place, start=at))
        for at, place in enumerate(one.ahead)
    )
    return replace(one, given=given)


def traces(way: Way) -> list[Trace]:
    return ANSWERS if way.gate is None else [gated(one) for one in ANSWERS]


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_every_preset_is_replayed_and_says_what_its_answers_are(temperature: float) -> None:
    place = Place(LINKS["paper"], temperature, traces)
    found = {name: cell(name, place) for name in PRESET_NAMES}
    assert all(each.ratio.middle > 0 for each in found.values())
    assert found["device-only"].ratio.middle == pytest.approx(190 / 55)
    assert {name for name, each in found.items() if each.exact is Exact.LOSSY} == {"u-hlm", "covspec-paper"}
    assert all((each.unverified or 0) > 0 for each in found.values() if each.exact is Exact.LOSSY)
    assert found["covspec"].ratio.middle > found["stop-and-wait"].ratio.middle > 1
    for each in found.values():
        assert cell_of(json.loads(each.as_json())) == each


def test_whole_rows_are_paid_for_on_the_line() -> None:
    place = Place(LINKS["paper"], 0.7, traces)
    rows, scalars, ids = (cell(name, place) for name in ("vanilla-sd", "dssd", "stop-and-wait"))
    judged_tokens = sum(each.payload for each in rows.sent if each.kind == "propose") / (4 * 151_674)
    assert 1024 < judged_tokens < 2048  # for 1024 tokens
    assert rows.ratio.middle < 0.7
    assert scalars.ratio.middle > 1
    assert ids.payload < scalars.payload < rows.payload / 1000


def test_without_a_bonus_a_block_that_stands_brings_no_token_of_the_targets_own() -> None:
    settings, costs = METHODS["stop-and-wait"], paper_costs(LINKS["paper"])
    right = [trace(1, 1.0, 61)]
    with_one, without = (played({**settings, "bonus": bonus}, costs, WORD, right)[0].steps for bonus in (True, False))
    assert (with_one, without) == (1 + 12, 1 + 15)  # rounds of five, and of four, behind the first token


@pytest.mark.parametrize("gate", [None, 1.0])
def test_branches_in_lockstep_spare_the_drafting_behind_what_they_foresaw(gate: float | None) -> None:
    settings, costs = METHODS["covspec-paper"], paper_costs(LINKS["paper"])
    found = traces(Way(gate=gate))
    with_them, without = (played({**settings, "branches": branches}, costs, WORD, found) for branches in (True, False))
    assert [each.tokens for each in with_them] == [each.tokens for each in without]
    assert sum(each.seconds for each in with_them) < 0.95 * sum(each.seconds for each in without)
    assert 0 < sum(each.foreseen for each in with_them) < sum(each.corrections for each in with_them)
    assert sum(each.foreseen for each in without) == 0


def test_a_step_looks_at_one_token_that_a_gate_has_held_back() -> None:
    answers = played(METHODS["u-hlm"], paper_costs(LINKS["paper"]), WORD, traces(Way(gate=1.0)))
    assert sum(each.accepted - each.unverified for each in answers) <= sum(each.steps for each in answers)
    assert sum(each.unverified for each in answers) > 20


def test_a_lossy_link_is_slower_and_loses_nothing() -> None:
    costs = paper_costs(LINKS["bad-4g"])
    whole, lossy = (played(METHODS["covspec"], replace(costs, loss=loss), WORD, ANSWERS) for loss in (0.0, 0.3))
    assert [each.tokens for each in lossy] == [each.tokens for each in whole]
    assert sum(each.seconds for each in lossy) > sum(each.seconds for each in whole)


@pytest.mark.parametrize("share", [0.3, 0.85, 1.0])
def test_traces_are_brought_to_a_share_of_agreement(share: float) -> None:
    changed = at_share(ANSWERS, share)
    tokens = sum(len(each.ids) for each in changed)
    assert sum(each.agreement * len(each.ids) for each in changed) / tokens == pytest.approx(share, abs=1 / tokens)
    assert [each.ids for each in changed] == [each.ids for each in ANSWERS]
    for one in changed:
        for at, place in enumerate(one.ahead[:-1]):
            if place[0].token == one.ids[at]:
                assert place[1] == one.ahead[at + 1][0]


def test_the_command_lines_write_cells_and_compare_them_with_the_wall_clock(tmp_path: Path) -> None:
    for way in (Way(prune="none"), Way()):
        file = tmp_path / f"{way.name}-t0.jsonl"
        file.write_text("".join(one.as_json() + "\n" for one in ANSWERS))
    out = tmp_path / "cells.jsonl"
    names = ["--methods", "edge-only", "dssd", "covspec", "--temperatures", "0", "--links", "wifi", "paper"]
    assert presets([*names, "--traces", str(tmp_path), "--out", str(out)]) == 0
    cells = read_cells(out)
    assert [each.method for each in cells] == ["edge-only", "dssd", "covspec"] * 2
    assert read_made(out)[0].command.startswith("python -m benchmarks.virtual presets --methods edge-only dssd covspec")
    steps = tuple(190 * (1 + 0.02 * more) for more in range(17))
    for shift, far in ((1.0, 0), (1.3, 1)):
        wall = [replace(each, clock=Clock.WALL, costs=replace(each.costs, steps_ms=steps)) for each in cells]
        moved = [replace(each, ratio=replace(each.ratio, middle=shift * each.ratio.middle)) for each in wall]
        file = tmp_path / f"wall{far}.jsonl"
        append_cells(file, moved)
        assert against([str(file), "--traces", str(tmp_path)]) == far


def test_who_drafts_before_the_first_token_comes_has_the_next_ones_ready() -> None:
    costs, right = paper_costs(LINKS["paper"]), [trace(1, 1.0, 31)]
    late, early = (played(METHODS["covspec"], replace(costs, lead=lead), WORD, right)[0] for lead in (0.0, 1.0))
    assert early.seconds < late.seconds - 0.3
    assert early.alone == late.alone


def test_a_wall_cell_is_replayed_with_what_it_measured() -> None:
    wall = cell("covspec", Place(LINKS["4g"], 0.0, traces))
    measured = replace(
        wall, costs=replace(wall.costs, steps_ms=(40.0, 44.0), draft_ms=15.0, message_ms=2.0, lead_ms=80.0)
    )
    costs = costs_of(measured, ride=0.2)
    assert (costs.draft, costs.step.of(1), costs.step.of(3)) == pytest.approx((0.015, 0.042, 0.050))
    assert (costs.round_trip, costs.bytes_per_second, costs.lead) == (0.06, 1.25e6, 0.08)


def test_a_trace_of_the_rule_rejection_is_what_that_rule_says_token_by_token() -> None:
    target, draft = load("toy:seed=1"), load("toy:seed=1,agreement=0.6")
    question = held_out(7_900_001, "exists", SamplingWish(temperature=1.0, max_tokens=24))
    way = Way(prune="none", rule="rejection")
    one = judged(target, draft, question, 5, way)
    prompt = target.prepare(question.messages, question.images)
    parameters = resolve(question.sampling, target.info.defaults, target.info.context_length - len(prompt.ids), 5)
    chooser = Chooser(parameters, prompt.ids)
    rule = Rejection(parameters, chooser, Evidence.SCALAR)
    drafter = Drafter(draft, question.messages, question.images)
    drafter.follow(parameters, CommonIds.below(draft.info.rows), draft.info.placeholder_ids)
    decoder, _ = prefill(target, prompt, target.see(prompt))
    row, fell = extend(target, decoder, [one.ids[0]])[-1], 0
    for place in range(1, len(one.ids)):
        before = list(one.ids[:place])
        choice, mark = drafter.draw(before, way.drawing)
        assert mark is not None
        assert one.ahead[place][0] == choice
        pending = Pending(place, (choice.token,), 0, (Claim(probability=mark.claim.probability),))
        verified = rule.verify(torch.stack([row, row]), pending, before)
        assert (verified.rejected is None) == (one.ids[place] == choice.token)
        fell += verified.rejected is not None
        row = extend(target, decoder, [one.ids[place]])[-1]
    assert 0 < fell < len(one.ids) - 1
    assert one.given == ()
    assert Trace.from_json(one.as_json()) == one
    assert np.isfinite([choice.gap for choice in one.ahead[0]]).all()
