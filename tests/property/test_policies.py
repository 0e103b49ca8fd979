"""No policy, window, pace, admission or link changes a text or brings an answer to a stop."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from device_client.draft.marginal import Marginal
from device_client.draft.policy import Policy
from device_client.draft.prices import PRICES
from device_client.draft.stopping import Confidence, EntropyBound, EntropyDepth, Fixed, MovingAverage
from shared.speculation.messages import Pace
from tests.support.hostile_link import Setting
from tests.support.policies import PolicyRun

RUNS = 40
POLICIES: dict[str, Callable[[], Policy] | None] = {
    "fixed": lambda: Fixed(3),
    "confidence": Confidence,
    "adaedl": EntropyBound,
    "sage": EntropyDepth,
    "average": MovingAverage,
    **{f"marginal, {name}": partial(Marginal, prices) for name, prices in PRICES.items()},
    "a whim": None,
}


def setting(rng: random.Random, pace: Pace) -> Setting:
    window = rng.choice([1, 2, 4, 16])
    return Setting(
        seed=rng.randrange(2**32),
        agreement=rng.choice([0, 30, 60, 85, 100]),
        window=window,
        max_ahead=rng.choice([1, 2, 5, 64]),
        pace=pace,
        hostility=rng.choice([0.0, 0.01, 0.05]),
        admitted=rng.choice([(None,), (0,), (1,), (3,), (None, 0, 1, 2, 5, 99)]),
        rest=rng.choice([0, 3, 16]) if pace is Pace.EAGER else 0,
        turn=rng.choice([1, 3, 8]),
        nodes=rng.choice([0, window + 1, window + 8]),
    )


@pytest.mark.parametrize("lockstep", [False, True], ids=["free", "lockstep"])
@pytest.mark.parametrize("pace", list(Pace))
@pytest.mark.parametrize("policy", list(POLICIES))
def test_no_policy_changes_the_text_or_stops_it(policy: str, pace: Pace, lockstep: bool) -> None:
    rng, counts = random.Random(f"{policy}{pace}{lockstep}"), Counter[str]()
    for _ in range(RUNS):
        run = PolicyRun(setting(rng, pace), policy=POLICIES[policy], lockstep=lockstep, branching=rng.random() < 0.7)
        run.finish()
        counts.update(run.counts)
    assert {"cut", "lose", "resume", "end_step", "end_forward"} <= counts.keys()
    assert counts["foreseen"] > 0 or policy == "a whim"
