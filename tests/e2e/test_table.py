"""The table is measured and reported from end to end on a small cell, once; how fast is none of its business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.table.cell import Exact, read_cells
from benchmarks.table.made import read_made
from benchmarks.table.run import measure

ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parent.parent


def test_make_bench_measures_a_small_cell_and_reports_it(tmp_path: Path) -> None:
    cells = "--links wifi --methods covspec --pairs 2"
    made = ["make", "-o", f"{VENV}/ready", "bench", f"VENV={VENV}", f"BENCH_INTO={tmp_path}/bench", f"BENCH={cells}"]
    done = subprocess.run(made, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "link: " in done.stdout
    out = tmp_path / "bench" / "results" / "cells-wall.jsonl"
    (cell,) = read_cells(out)
    assert (cell.method, cell.link.name, cell.exact, cell.differing) == ("covspec", "wifi", Exact.IDS, 0)
    assert 0 < cell.ratio.low <= cell.ratio.middle <= cell.ratio.high
    assert cell.payload > 0
    (run,) = read_made(out)
    page = (tmp_path / "bench" / "results.md").read_text()
    assert f"    {run.command}\n" in page
    assert cell.ratio.said() in page
    measured = out.read_text()
    again = ["--setting", "packaged", "--temperatures", "0", *cells.split(), "--out", str(out)]
    assert measure(again) == 0
    assert out.read_text() == measured  # what is there is not measured again
