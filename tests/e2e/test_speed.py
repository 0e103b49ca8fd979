"""The speed benchmark runs from end to end and fills its cells; how fast is none of its business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_small_run_measures_both_ways_and_foretells(tmp_path: Path) -> None:
    out = tmp_path / "cells.jsonl"
    options = ["--setting", "packaged", "--draft", "drafting", "--rtt", "5", "--pairs", "2"]
    command = [sys.executable, "-m", "benchmarks.speed", *options, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    (cell,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert (cell["models"], cell["draft"], cell["round_trip_ms"]) == ("packaged", "drafting", 5.0)
    for pair in cell["pairs"]:
        assert pair["tokens"] == len(pair["matches"]) == pair["together"]["tokens"] == pair["alone"]["tokens"]
        assert pair["alone"]["steps"] == pair["tokens"]  # the target alone: a pass for each token
        assert pair["alone"]["drafted"] == 0 < pair["together"]["drafted"]
    low, middle, high = (cell["ratio"][place] for place in (1, 0, 2))
    assert 0 < low <= middle <= high
    assert cell["foretold"][0] > 0
    assert "link: " in done.stdout
