"""Made-up cells of the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.speed.pairs import Estimate
from benchmarks.table.cell import Cell, Clock, Costs, Sent
from benchmarks.table.links import LINKS
from benchmarks.table.methods import MethodName
from benchmarks.table.tally import exactness


def made_up(method: MethodName, ratio: float = 1.0, link: str = "paper", half: float = 0.1, **changed: Any) -> Cell:
    """A cell whose interval reaches `half` to each side."""
    temperature = changed.pop("temperature", 0.0)
    usual = Cell(
        clock=Clock.WALL,
        setting="190 : 55",
        method=method,
        link=LINKS[link],
        temperature=temperature,
        data="scenes",
        exact=exactness(method, temperature),
        answers=10,
        tokens=800,
        costs=Costs(48.0, 14.0, (48.0, 49.5), 70, 0.3),
        tokens_per_second=20 * ratio,
        ratio=Estimate(ratio, ratio - half, ratio + half),
        first_token_ms=300.0,
        inter_token_p50_ms=10.0,
        inter_token_p99_ms=90.0,
        accepted_per_step=2.0,
        passes_per_token=0.4,
        target_tokens_per_token=1.1,
        sent=(Sent("up", "propose", 20_000.0, 30_000.0), Sent("down", "commit", 4_000.0, 9_000.0)),
        accuracy=0.9,
        agreement=1.0,
        device_seconds=0.01,
    )
    return replace(usual, **changed)
