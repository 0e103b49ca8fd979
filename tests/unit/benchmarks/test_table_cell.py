"""Cells survive their file, and what is no cell is refused by name, with its line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.speed.pairs import Estimate
from benchmarks.table.cell import Cell, Clock, Costs, Exact, Sent, append_cells, cell_of, read_cells
from benchmarks.table.links import LINKS, profile
from benchmarks.table.made import Made, append_made, read_made
from shared.errors import InvalidValue

CELL = Cell(
    clock=Clock.WALL,
    setting="190 : 55",
    method="covspec",
    link=LINKS["paper"],
    temperature=0.7,
    data="scenes",
    exact=Exact.IDS,
    answers=3,
    tokens=240,
    costs=Costs(48.0, 14.0, (48.0, 49.5), 70, 0.3),
    tokens_per_second=40.0,
    ratio=Estimate(2.0, 1.8, 2.2),
    accuracy=0.9,
    first_token_ratio=Estimate(1.1, 1.0, 1.2),
    sent=(
        Sent("up", "propose", 100.0, 150.0),
        Sent("up", "image_chunk", 9e3, 9.1e3),
        Sent("down", "commit", 50.0, 90.0),
    ),
)


def test_a_cell_comes_back_from_its_line() -> None:
    assert cell_of(json.loads(CELL.as_json())) == CELL


def test_a_cell_that_was_measured_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "cells.jsonl"
    again, other = replace(CELL, answers=9), replace(CELL, clock=Clock.VIRTUAL)
    append_cells(file, [CELL, other])
    append_cells(file, [again])
    assert read_cells(file) == [other, again]


def test_a_file_says_what_made_its_cells(tmp_path: Path) -> None:
    file, made = tmp_path / "cells.jsonl", Made("python -m benchmarks.table", "Linux", "40 : 1")
    append_made(file, made)
    append_cells(file, [CELL])
    append_made(file, made)
    append_made(file, replace(made, machine="another"))
    assert read_cells(file) == [CELL]
    assert read_made(file) == [made, replace(made, machine="another")]


def test_the_picture_is_not_counted_beside_itself() -> None:
    assert (CELL.payload, CELL.framed) == (150.0, 240.0)


@pytest.mark.parametrize(
    "broken",
    [
        {"method": "magic"},
        {"clock": "sundial"},
        {"speed": 3},
        {"costs": {"step": 3}},
        {"link": None},
        {"made": {"command": "x"}},
    ],
)
def test_what_is_no_cell_is_refused_with_its_line(tmp_path: Path, broken: dict[str, object]) -> None:
    file = tmp_path / "cells.jsonl"
    append_cells(file, [CELL])
    with file.open("a") as opened:
        opened.write(json.dumps({**json.loads(CELL.as_json()), **broken}) + "\n")
    with pytest.raises(InvalidValue, match=r"cells\.jsonl:2"):
        read_cells(file)


def test_a_link_delays_each_way_by_half_its_round_trip() -> None:
    bad = profile(LINKS["bad-4g"])
    assert (bad.delay_ms, bad.mbit, bad.loss) == (100, 1, 0.02)
