"""The table is measured from end to end on a small cell, once; how fast is none of its business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.table.cell import Exact, read_cells
from benchmarks.table.run import measure

ROOT = Path(__file__).parents[2]


def test_a_small_cell_is_measured_once(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    cells = ["--setting", "packaged", "--links", "wifi", "--temperatures", "0", "--methods", "covspec"]
    words = [*cells, "--pairs", "2", "--out", str(out)]
    command = [sys.executable, "-m", "benchmarks.table", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "link: " in done.stdout
    (cell,) = read_cells(out)
    assert (cell.method, cell.link.name, cell.exact, cell.differing) == ("covspec", "wifi", Exact.IDS, 0)
    assert 0 < cell.ratio.low <= cell.ratio.middle <= cell.ratio.high
    assert cell.payload > 0
    measured = out.read_text()
    assert measure(words) == 0
    assert out.read_text() == measured  # what is there is not measured again
