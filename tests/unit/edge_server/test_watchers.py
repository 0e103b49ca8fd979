"""Those who watch the steps do not depend on each other."""

from __future__ import annotations

from edge_server.engine.events import Foretold, Step
from edge_server.engine.plan import Look
from edge_server.watchers import together

STEP = Step(1, Look.RULE, 0.03, Foretold(None, (0, 0, 0, 0)), 2, 1, 0, 5, 6, 70, 4, 9, (2, 1), (2,))


def test_nobody_and_one_are_themselves() -> None:
    assert together([None, None]) is None
    seen: list[Step] = []
    only = together([None, seen.append])
    assert only == seen.append


def test_one_that_breaks_is_told_of_no_more_and_the_others_are() -> None:
    seen: list[Step] = []
    tried: list[Step] = []

    def full(step: Step) -> None:
        tried.append(step)
        raise OSError("the disk is full")

    told = together([full, seen.append])
    assert told is not None
    for _ in range(3):
        told(STEP)
    assert (len(tried), len(seen)) == (1, 3)
