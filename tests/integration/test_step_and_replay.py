"""The benchmarks of the step and of many devices run, and say that the answers were the target's own."""

from __future__ import annotations

import os
import subprocess
import sys


def said(*command: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_cost_of_a_step_is_told() -> None:
    told = said("benchmarks.step", "--sessions", "2", "--tokens", "60")
    assert "2 sessions, " in told
    assert told.count("held at the edge, less the forward") == 1
    assert "151936 ids" in told


def test_replayed_devices_get_the_recorded_answers() -> None:
    models = ("--model", "toy:seed=1", "--draft", "toy:seed=1,agreement=0.8")
    told = said(
        "benchmarks.replay", *models, "--devices", "1", "2", "--recordings", "2", "--answers", "3", "--draft-ms", "1"
    )
    assert told.count("3 of 3") == told.count("6 of 6") == 2
    assert "0 answers differ" in told
