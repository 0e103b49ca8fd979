"""The page, the values and the plots say what the cells say, and need no plots."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.table.__main__ import main
from benchmarks.table.cell import Cell, Clock, append_cells
from benchmarks.table.links import LINKS
from benchmarks.table.made import Made, append_made
from benchmarks.table.methods import METHOD_NAMES, PRESET_NAMES
from tests.support.cells import made_up

MADE = Made("python -m benchmarks.table --pairs 9", "Linux x86_64, 2 CPUs, load 0.31 at the start", "190 : 55; TUN")
PRUNED = [
    {"pruner": name, "budget": share, "kept_share": share, "acceptance": 0.8 + share / 10, "prefill_ms": 3.0, "x": 1}
    for name in ("covspec", "grid")
    for share in (0.5, 0.25)
]


def cells() -> list[Cell]:
    paper = [made_up(method, 1 + number / 10) for number, method in enumerate(METHOD_NAMES)]
    links = [made_up(method, link=name) for method in PRESET_NAMES for name in ("wifi", "4g")]
    return [*paper, *links, made_up("covspec", 1.9, clock=Clock.VIRTUAL)]


def told(folder: Path, found: list[Cell]) -> str:
    """The page of these cells; values and plots beside it."""
    (folder / "results").mkdir()
    file = folder / "results" / "cells-wall.jsonl"
    append_made(file, MADE)
    append_cells(file, found)
    (folder / "results" / "pruning.jsonl").write_text("\n".join(json.dumps(each) for each in PRUNED))
    assert main(["report", "--into", str(folder)]) == 0
    return (folder / "results.md").read_text()


def lines(page: str, head: str) -> list[list[str]]:
    """The rows of the table whose head begins so."""
    (found,) = re.findall(rf"^\| {re.escape(head)}.*\n\|---.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [[each.strip() for each in row.strip("|").split("|")] for row in found.splitlines()]


def test_the_papers_tables_stand_there_with_ours_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = told(tmp_path, cells()[:-1])
    systems = {row[1]: row for row in lines(page, "system")}
    assert systems["`covspec-paper`"][0] == "CoVSpec"
    assert systems["`covspec-paper`"][2:8] == ["2.21", "1.60 [1.50, 1.70]", "74.40", "90.0", "16.49", "0.024"]
    assert systems["`vanilla-sd`"][-2:] == ["-7.32", "-10.0"]
    assert systems["`covspec`"][2] == ""  # the paper does not have it
    gateless = next(row for row in lines(page, "ablation") if row[1] == "`covspec-paper:no-gate`")
    assert gateless[2:4] == ["1.73", "2.00 [1.90, 2.10]"]
    assert "CoVSpec" in capsys.readouterr().out


def test_the_page_says_what_made_it_and_no_date(tmp_path: Path) -> None:
    page = told(tmp_path, cells())
    assert "    python -m benchmarks.table --pairs 9\n" in page
    assert "* Linux x86_64, 2 CPUs, load 0.31 at the start\n* 190 : 55; TUN" in page
    assert "did other things" not in page
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", page)


def test_a_machine_that_was_busy_is_said_to_have_been(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / "cells-wall.jsonl"
    for load in ("0.31", "6.25"):
        append_made(file, replace(MADE, machine=f"Linux x86_64, load {load} at the start"))
    replayed = replace(MADE, machine="Linux x86_64, load 9.9 at the start", ends="on a virtual clock")
    append_made(file, replayed)
    append_cells(file, cells())
    assert main(["report", "--into", str(tmp_path)]) == 0
    assert "its load was 0.31 to 6.25 when the runs began" in (tmp_path / "results.md").read_text()


def test_what_is_unwelcome_stands_there(tmp_path: Path) -> None:
    slow = made_up("covspec", 0.9, half=0.02, link="wifi", differing=2, agreement=0.8)
    page = told(tmp_path, [slow, made_up("dssd", 1.3, link="wifi"), made_up("u-hlm", 2.0, link="wifi")])
    assert "that were not: 2: `covspec`, wifi, T 0, wall clock." in page
    assert "missed in 1 of 1 cell: `covspec`, wifi" in page
    assert "behind the fastest other lossless method in 1 of 1 place" in page
    (row,) = lines(page, "`covspec` beside")
    assert row == ["wifi, T 0, wall clock, 190 : 55", "0.90 [0.88, 0.92]", "`dssd` 1.30 [1.20, 1.40]", "behind"]
    assert "`u-hlm`*" in page  # lossy
    assert "paper's tables" not in page  # nothing was measured there


def test_every_table_is_one_for_markdown_too(tmp_path: Path) -> None:
    page = told(tmp_path, cells()).splitlines()
    heads = [number for number, line in enumerate(page) if line.startswith("|---")]
    assert len(heads) > 8
    for number in heads:
        assert page[number - 2] == ""  # a table begins a paragraph
        assert page[number].count("|") == page[number - 1].count("|") == page[number + 1].count("|")


def test_two_clocks_stand_side_by_side(tmp_path: Path) -> None:
    found = [made_up("covspec", 2.0), made_up("covspec", 2.2, clock=Clock.VIRTUAL)]
    (row,) = lines(told(tmp_path, found), "cell")
    assert row == ["`covspec`, paper, T 0, 190 : 55", "2.00 [1.90, 2.10]", "2.20", "+10%", "yes"]


def test_values_are_those_of_the_cells(tmp_path: Path) -> None:
    found = cells()
    told(tmp_path, found)
    values = json.loads((tmp_path / "results" / "results.json").read_text())
    assert len(values["cells"]) == len(found)
    assert values["made"][0]["command"] == MADE.command
    assert values["paper"]["systems"]["covspec-paper"]["speed"] == 2.21
    with (tmp_path / "results" / "results.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == len(found)
    (ours,) = (row for row in rows if row["clock"] == "virtual")
    wanted = {"method": "covspec", "ratio": "1.9", "payload_bytes": "24000.0", "unverified": ""}
    assert {name: ours[name] for name in wanted} == wanted


def test_plots_are_drawn_and_are_the_same_every_time(tmp_path: Path) -> None:
    pages = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        pages.append(told(tmp_path / name, cells()))
    for plot in ("speed", "front", "acceptance"):
        one, other = ((tmp_path / name / "results" / f"{plot}.svg").read_text() for name in ("one", "other"))
        assert one == other
        assert f"(results/{plot}.svg)" in pages[0]
    speed = (tmp_path / "one" / "results" / "speed.svg").read_text()
    assert all(method in speed for method in PRESET_NAMES)
    assert "grid" in (tmp_path / "one" / "results" / "acceptance.svg").read_text()


def test_without_matplotlib_everything_else_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not there
    page = told(tmp_path, cells())
    assert "covspec[bench]" in capsys.readouterr().err
    assert ".svg" not in page
    assert "| `covspec` |" in page
    assert {file.name for file in (tmp_path / "results").iterdir()} == {
        *("cells-wall.jsonl", "pruning.jsonl", "results.csv", "results.json")
    }


def test_acceptance_over_kept_tokens_is_told(tmp_path: Path) -> None:
    assert lines(told(tmp_path, cells()), "kept") == [["`covspec`", "0.850", "0.825"], ["`grid`", "0.850", "0.825"]]


@pytest.mark.parametrize("broken", [b"{}", b"not JSON", b'{"method": "magic"}'])
def test_what_is_no_cell_is_said_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: bytes
) -> None:
    file = tmp_path / "cells.jsonl"
    file.write_bytes(broken)
    assert main(["report", str(file), "--into", str(tmp_path / "page")]) == 2
    assert "cells.jsonl:1" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_no_cells_at_all_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--into", str(tmp_path)]) == 2
    assert "no cells" in capsys.readouterr().err


def test_every_link_of_the_table_has_its_column(tmp_path: Path) -> None:
    page = told(tmp_path, [made_up("covspec", link=name) for name in LINKS])
    head = next(line for line in page.splitlines() if "100 Mbit/s" in line)
    assert head.count("Mbit/s") == len(LINKS)
