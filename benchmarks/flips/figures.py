"""Counts of flips, what they say of the rate behind them, and the lines of the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.flips.walks import Decision, Reference, Shape

_QUANTILE = 1.959963984540054  # of the normal law, for 95 %


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `hits` of `trials` were seen; (0, 1) without trials.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927. It holds for few hits
    and none, where the interval around the seen share does not.
    """
    if trials == 0:
        return 0.0, 1.0
    share, square = hits / trials, _QUANTILE**2
    centre = share + square / (2 * trials)
    reach = _QUANTILE * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


@dataclass(frozen=True)
class Count:
    """What the walks of one shape found. `differing`: answers with a flip, which run freely are other texts.

    Margins are medians, at the flips and at all tokens, as the reference had them; `moved` and `moved_most`: by how
    much the shape of the step changed them. A flip is a margin that moved by more than itself.
    """

    shape: Shape
    tokens: int
    flips: int
    answers: int
    differing: int
    margin_at_flips: float | None
    margin: float | None
    moved: float | None
    moved_most: float | None

    @classmethod
    def of(cls, shape: Shape, references: Sequence[Reference], decisions: Sequence[Sequence[Decision]]) -> Count:
        """Of the decisions on each reference."""
        both = [
            (reference.margins[decision.position], decision)
            for reference, its in zip(references, decisions, strict=True)
            for decision in its
        ]
        at_flips = [margin for margin, decision in both if decision.flip]
        moved = [abs(margin - decision.margin) for margin, decision in both if math.isfinite(margin)]
        return cls(
            shape=shape,
            tokens=len(both),
            flips=len(at_flips),
            answers=len(references),
            differing=sum(any(decision.flip for decision in its) for its in decisions),
            margin_at_flips=median(at_flips) if at_flips else None,
            margin=median(margin for margin, _ in both) if both else None,
            moved=median(moved) if moved else None,
            moved_most=max(moved, default=None),
        )

    def line(self) -> str:
        """Its line of the table."""
        low, high = wilson(self.flips, self.tokens)
        rate = 1000 * self.flips / self.tokens if self.tokens else 0.0
        interval = f"{1000 * low:.1f} to {1000 * high:.1f}"
        margins = (self.margin_at_flips, self.margin, self.moved, self.moved_most)
        return (
            f"{self.shape!s:<31}{self.tokens:>6}{self.flips:>6}{rate:>9.1f}{interval:>14}"
            f"{f'{self.differing} of {self.answers}':>12}" + "".join(f"{_said(each):>10}" for each in margins)
        )


HEAD = (
    f"{'':<31}{'':>12}{'per':>9}{'':>14}{'answers':>12}{'margin':>10}{'margin':>10}{'it moved':>10}{'at':>10}\n"
    f"{'a step takes':<31}{'tokens':>6}{'flips':>6}{'1000':>9}{'95 %':>14}{'that differ':>12}"
    f"{'at flips':>10}{'at all':>10}{'by':>10}{'most':>10}"
)


def _said(margin: float | None) -> str:
    return "-" if margin is None else f"{margin:.2g}"
