"""What a cell says of answers that were heard, on made-up answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.table.cell import Exact
from benchmarks.table.links import LINKS
from benchmarks.table.measure import Block, Heard, in_turns, ways
from benchmarks.table.methods import METHOD_NAMES
from benchmarks.table.questions import Asked
from benchmarks.table.starting import ALONE, SHADOWED, beside
from benchmarks.table.tally import SAME, Place, cell, exactness

PLACE = Place("190 : 55", LINKS["paper"], 0.0, "scenes")
IDS = tuple(range(21))
FIGURES = {
    "steps": 10,
    "accepted_per_step": 1.1,
    "corrections": 4,
    "foreseen": 1,
    "draft_ms": 14.0,
    "first_draft_ms": 700.0,
    "lossy": 7,
    "bytes": {
        "up": {"propose": {"payload": 40, "framed": 60}, "image_chunk": {"payload": 9000, "framed": 9100}},
        "down": {"commit": {"payload": 2, "framed": 24}},
    },
}


def heard(each: float, ids: tuple[int, ...] = IDS, text: str = "A dog.") -> Heard:
    """An answer with its tokens `each` seconds apart, the first after a second."""
    arrivals = tuple(1 + each * place for place in range(len(ids)))
    return Heard(ids, text, arrivals, 0.42, FIGURES, ((3, None), (1, 0.05), (2, 0.06)))


def block(ours: Heard, number: int = 0) -> Block:
    asked = Asked(number, (Path("a.png"),), "What?", ("a dog",))
    answers = dict.fromkeys(ways(METHOD_NAMES), ours)
    return Block(asked, {**answers, ALONE: heard(0.1), SHADOWED: heard(0.2)}, (True,) * 20 + (False,))


def test_a_method_is_paired_with_the_target_alone_on_a_machine_as_busy() -> None:
    blocks = [block(heard(0.05))] * 3
    ahead, rounds = (cell(PLACE, method, blocks) for method in ("covspec", "stop-and-wait"))
    assert ahead is not None
    assert rounds is not None
    assert ahead.ratio.middle == pytest.approx(4)  # it drafts while the edge steps
    assert rounds.ratio.middle == pytest.approx(2)  # they take turns
    assert ahead.first_token_ratio == SAME  # all wait a second for it
    assert (beside("covspec"), beside("stop-and-wait"), beside("edge-only")) == (SHADOWED, ALONE, ALONE)


def test_the_figures_of_a_cell_are_those_of_its_answers() -> None:
    found = cell(PLACE, "covspec", [block(heard(0.05))] * 2)
    assert found is not None
    assert (found.answers, found.tokens, found.first_token_ms) == (2, 42, 1000)
    assert found.costs.lead_ms == pytest.approx(1000 - 10 - (700 - 14))  # half a round trip before the token came
    assert found.tokens_per_second == pytest.approx(20)
    assert found.inter_token_p50_ms == pytest.approx(50)
    assert found.accepted_per_step == pytest.approx(1.1)
    assert found.passes_per_token == pytest.approx(20 / 42)
    assert found.target_tokens_per_token == pytest.approx(12 / 42)
    assert found.payload == pytest.approx(1024 * 84 / 42)
    assert (found.corrections, found.foreseen) == (8, 2)
    assert (found.accuracy, found.agreement, found.differing, found.unverified) == (1, 1, 0, None)
    assert found.draft_agreement == pytest.approx(20 / 21)
    assert found.costs.step_alone_ms == pytest.approx(50)
    assert found.costs.message_ms == pytest.approx(150)  # the target alone needs 200 ms for a token of 50 ms
    assert found.costs.curve_seen == 4
    assert found.device_seconds == pytest.approx(0.02)
    assert found.device_joules is None


def test_an_answer_that_is_not_the_targets_is_counted() -> None:
    found = cell(PLACE, "covspec", [block(heard(0.05)), block(heard(0.05, (9, *IDS[1:]), "A cat."))])
    assert found is not None
    assert (found.differing, found.agreement, found.accuracy) == (1, 0.5, 0.5)


def test_energy_is_told_only_if_every_answer_tells_its_own() -> None:
    told = replace(heard(0.05), joules=6.3)
    found, half = (cell(PLACE, "covspec", blocks) for blocks in ([block(told)], [block(told), block(heard(0.05))]))
    assert found is not None
    assert half is not None
    assert found.device_joules == pytest.approx(0.3)
    assert half.device_joules is None


def test_the_target_alone_is_once_as_fast_as_itself() -> None:
    found = cell(PLACE, "edge-only", [block(heard(0.05))])
    assert found is not None
    assert found.ratio == SAME


def test_short_answers_have_no_speed() -> None:
    short = block(heard(0.05, IDS[:3]))
    assert cell(PLACE, "covspec", [short]) is None
    found = cell(PLACE, "covspec", [short, block(heard(0.05))])
    assert found is not None
    assert found.answers == 2
    assert found.ratio.middle == pytest.approx(4)


def test_what_an_answer_owes_the_target_follows_from_its_preset() -> None:
    cold = {method: exactness(method, 0.0) for method in METHOD_NAMES}
    assert cold["dssd"] is cold["vanilla-sd"] is cold["covspec"] is Exact.IDS
    assert exactness("dssd", 0.7) is Exact.LAW
    assert exactness("stop-and-wait", 0.7) is Exact.IDS
    assert cold["u-hlm"] is cold["covspec-paper"] is Exact.LOSSY
    assert cold["device-only"] is Exact.DRAFT


def test_lossy_cells_say_how_much_nobody_compared() -> None:
    found = cell(PLACE, "covspec-paper", [block(heard(0.05))])
    assert found is not None
    assert found.unverified == pytest.approx(7 / 21)


def test_the_draft_alone_has_no_figures_of_an_edge() -> None:
    alone = replace(heard(0.05), figures=None, steps=())
    found = cell(PLACE, "device-only", [block(alone)])
    assert found is not None
    assert (found.passes_per_token, found.sent) == (None, ())
    assert found.costs.draft_ms == pytest.approx(50)


def test_nobody_always_comes_first() -> None:
    names = ways(METHOD_NAMES)
    orders = [in_turns(names, number) for number in range(2 * len(names))]
    assert all(sorted(order) == sorted(names) for order in orders)
    assert set(Counter(order[0] for order in orders).values()) == {2}
