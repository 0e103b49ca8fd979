"""Several edges behind a stock proxy with TLS, by the recipes of `deploy/proxy`: one of them dies, or hangs."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from benchmarks.faults.outcome import outcome_of
from benchmarks.faults.outside import Stage, behind, truth
from deploy.proxies import RECIPES
from shared.errors import Unsupported

TOKENS = 400  # seconds of an answer: it is not over when a busy machine has found the edge that gives it


def go_on_elsewhere(stage: Stage, prompt: str, strike: Callable[[int], None]) -> int:
    """Strike the edge that answers, with the first text; the answer is whole all the same. Which edge it was."""
    request = stage.device.begin(prompt, TOKENS)
    assert stage.device.hear() == {"begun": True}
    number = stage.edges.answering(request)
    strike(number)
    outcome = outcome_of(stage.device.end(), truth(prompt, TOKENS), 0.0)
    assert not outcome.wrong
    assert outcome.reconnects >= 1  # a proxy may have sent it to the same edge once more
    return number


@pytest.mark.parametrize("proxy", RECIPES)
def test_an_answer_goes_on_at_another_edge_when_its_own_hangs_or_dies(proxy: str) -> None:
    with ExitStack() as stack:
        try:
            stage = stack.enter_context(behind(proxy, random.Random(1)))
        except Unsupported as missing:
            pytest.skip(str(missing))
        hanging = go_on_elsewhere(stage, "do you hang?", stage.edges.stop)
        stage.edges.go_on(hanging)
        go_on_elsewhere(stage, "do you die?", stage.edges.kill)
