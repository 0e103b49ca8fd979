"""Turns over random arrivals: nobody starves, whoever drafts, is slow, falls silent or comes late."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from edge_server.engine.batch import Batch, Batching
from edge_server.engine.cost import Load
from edge_server.engine.session import Session
from edge_server.engine.turns import Turns
from shared.speculation.messages import Pace, Yield
from tests.support.batches import Told, session, step
from tests.support.system import toy_target


@dataclass
class Busy:
    """An engine with sessions of all paces, and devices that do what they like, at times that we choose."""

    seed: int
    turn: int
    max_batch: int
    now: float = 0.0
    gaps: dict[Session, int] = field(default_factory=dict)  # steps that have passed by a session that was ready

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.vlm = toy_target()
        self.batch = Batch(Batching(max_batch=self.max_batch, turn=self.turn))
        self.turns = Turns(self.turn, self.batch.alone)
        self.told: list[Told] = []
        self.token_seconds = self.rng.choice([0.0, 0.0001, 0.01])

    def arrive(self) -> None:
        told = session(self.vlm, f"number {len(self.told)}", self.rng.choice(list(Pace)), self.rng.choice([3, 40]))
        self.told.append(told)
        self.turns.sessions.append(told.session)

    def hear(self) -> None:
        for told in self.told:
            match self.rng.choice(["draft", "acknowledge", "yield", *["nothing"] * 6]):
                case "draft":
                    told.propose([40, 41])
                case "acknowledge":
                    told.propose()
                case "yield":
                    told.session.offers.hear(Yield(self.rng.random() < 0.5))

    def seconds(self, load: Load) -> float:
        return 0.01 + self.token_seconds * load.tokens

    def step(self) -> None:
        ready = self.turns.ready(self.now)
        if not ready.wanting:
            wait = self.turns.wait(self.now)
            self.now += 1.0 if wait is None else wait
            assert wait is None or wait > 0
            return
        asked = {each: each.prefilling or each.offers.may_step(each.request.pace) for each in self.turns.sessions}
        able = [each for each in self.turns.sessions if asked[each] or each.may_follow]
        plan = step(self.vlm, self.batch, ready.wanting, self.seconds, ready.followers)
        self.now += 0.01
        chosen = [each for each, _ in plan.chosen]
        self.turns.served(chosen, self.now)
        for each in chosen:
            assert asked[each] or each.request.pace is Pace.AUTO
        self.gaps = {each: 0 if each in chosen else self.gaps.get(each, 0) + 1 for each in able}


@pytest.mark.parametrize("turn", [1, 2, 8])
@pytest.mark.parametrize("max_batch", [1, 3, 64])
@pytest.mark.parametrize("seed", range(4))
def test_no_session_starves(turn: int, max_batch: int, seed: int) -> None:
    busy = Busy(seed, turn, max_batch)
    steps = 0
    while steps < 150:
        if len(busy.told) < 6 and busy.rng.random() < 0.1:
            busy.arrive()
        busy.hear()
        busy.step()
        steps += 1
        for each, gap in busy.gaps.items():
            rounds = -(-len(busy.told) // max_batch) if max_batch < len(busy.told) else 0
            rounds += 0 if each.request.pace is not Pace.AUTO else turn - 1
            if not each.prefilling:
                assert gap <= rounds


def test_on_an_idle_engine_an_answer_of_pace_auto_goes_on_alone() -> None:
    vlm, batch = toy_target(), Batch(Batching(turn=8))
    turns, told = Turns(8, batch.alone), session(vlm, pace=Pace.AUTO, max_ahead=5)
    turns.sessions.append(told.session)
    now, waits = 100.0, []
    while (wait := turns.wait(now)) is not None:
        waits.append(wait)
        now += wait
        ready = turns.ready(now)
        assert ready.wanting == [told.session]
        step(vlm, batch, ready.wanting, lambda _: 0.25)
        now += 0.25
        turns.served(ready.wanting, now)
    assert len(told.commits) == 5  # and no further, until the device has acknowledged some
    assert waits == pytest.approx([0.0, 0.0, 2.0, 2.0, 2.0], abs=0.01)  # the second: nothing was known of a step yet
