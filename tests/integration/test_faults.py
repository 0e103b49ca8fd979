"""The scripts of faults, soak and fuzz, a few rounds of each: what the long runs look at is looked at here too."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from benchmarks.faults import inside
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.outside import across, disturb, moved
from shared.errors import Unsupported


@pytest.mark.parametrize("fault", [inside.replayed, inside.claimed, inside.full], ids=lambda fault: fault.__name__)
def test_every_answer_is_whole_and_nothing_is_left(fault: inside.Played) -> None:
    finding = fault("short", 2, random.Random(1))
    assert [outcome.wrong for outcome in finding.outcomes] == ["", ""]
    assert not any(finding.left.values())


def test_a_device_that_gets_another_address_goes_on() -> None:
    with across(random.Random(2)) as (stage, link):
        try:
            strike = moved(link)
        except Unsupported as missing:
            pytest.skip(str(missing))
        outcomes: list[Outcome] = []
        while not any(outcome.reconnects for outcome in outcomes):  # the last word may have been on its way already
            assert len(outcomes) < 5
            outcomes += disturb("moved", stage, 1, strike).outcomes
    assert not any(outcome.wrong for outcome in outcomes)


def test_a_short_soak_leaves_nothing() -> None:
    """In a process of its own: what all tests before it made the allocator hold moves by more than is looked for."""
    command = [sys.executable, "-m", "benchmarks.soak", "--sessions", "60", "--model", "toy", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no session, place, task, thread or decoder is left" in done.stdout
