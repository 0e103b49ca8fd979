"""How often each level of each axis occurred, and how many answers were identical there."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.exact.plan import AXES
from benchmarks.exact.running import Outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each level, in the order of the axes. `cut`: answers whose link broke at least once.

    `foreseen`: corrections that found their branch ready. `decided`: answers in which the noise, or with top-p the
    mask, decided any of the text.
    """
    names = ("answers", "identical", "tokens", "drafted", "foreseen", "decided", "cut")
    head = f"{'axis':<10}{'level':<18}" + "".join(f"{name:>{len(name) + 2}}" for name in names)
    lines = [head]
    for axis, level in AXES.items():
        named = [(level(outcome.case), outcome) for outcome in outcomes]
        for name in sorted({name for name, _ in named}, key=_natural):
            lines.append(_line(axis, name, [outcome for its, outcome in named if its == name]))
    return "\n".join([*lines, _line("all", "", outcomes)])


def summary(outcomes: Sequence[Outcome]) -> str:
    """One sentence for a person."""
    identical = sum(outcome.identical for outcome in outcomes)
    return (
        f"{identical} of {len(outcomes)} answers identical to the target's own generate(): "
        f"{sum(len(each.said) for each in outcomes)} tokens, {sum(each.drafted for each in outcomes)} of them drafted "
        f"by the device, {sum(each.reconnects for each in outcomes)} reconnects"
    )


def _line(axis: str, level: str, those: Sequence[Outcome]) -> str:
    identical, cut = sum(each.identical for each in those), sum(each.reconnects > 0 for each in those)
    tokens, drafted = sum(len(each.said) for each in those), sum(each.drafted for each in those)
    decided, foreseen = sum(each.decided for each in those), sum(each.foreseen for each in those)
    counts = f"{len(those):>9}{identical:>11}{tokens:>8}{drafted:>9}{foreseen:>10}{decided:>9}{cut:>5}"
    return f"{axis:<10}{level:<18}{counts}"


def _natural(level: str) -> tuple[int, str]:
    """Numbers in their order, before words."""
    return (int(level), "") if level.isdigit() else (10**9, level)
