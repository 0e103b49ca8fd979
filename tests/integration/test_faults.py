"""The scripts of faults, soak and fuzz, a few rounds of each: what the long runs look at is looked at here too."""

from __future__ import annotations

import argparse
import random

import pytest

from benchmarks.faults import inside
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.outside import across, disturb, moved
from benchmarks.soak import soak
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


async def test_a_short_soak_leaves_nothing() -> None:
    assert await soak(argparse.Namespace(sessions=60, model="toy", seed=1)) == 0
