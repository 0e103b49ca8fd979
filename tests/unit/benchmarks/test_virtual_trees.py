"""Trees on the virtual clock: every answer comes to its end, and where the round trip is long a tree is faster."""

from __future__ import annotations

import pytest

from benchmarks.virtual.cells import Cell, ratio
from benchmarks.virtual.trees import KINDS, Kind, played
from tests.unit.benchmarks.test_virtual import trace


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_every_answer_comes_to_its_end(kind: Kind) -> None:
    answers = [trace(seed, 0.8, length=40) for seed in range(3)]
    for one, whole in zip(played(answers, Cell(40, 10, 100, 100.0), kind), answers, strict=True):
        assert one.tokens == len(whole.ids)
        assert one.steps <= one.computed
        assert one.stood <= one.beside
        assert (one.beside > 0) == (kind.nodes > 0)


def test_a_tree_spares_the_round_trip_of_a_correction_that_was_foreseen() -> None:
    answers = [trace(seed, 0.85) for seed in range(6)]
    branches, tree = (played(answers, Cell(190, 5, 200, 100.0), Kind("", nodes)) for nodes in (0, 32))
    assert ratio(tree) > 1.05 * ratio(branches)
    assert sum(one.stood for one in tree) > 20
