"""Tables and figures as Markdown writes them."""

from __future__ import annotations

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is words, the others are figures."""
    lines = [_line(heads), "|---" + "|---:" * (len(heads) - 1) + "|"]
    return "\n".join([*lines, *(_line(row) for row in rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def dash(value: float | None, form: str) -> str:
    """The figure, or a dash where there is none."""
    return "-" if value is None else f"{value:{form}}"


def count(number: int, what: str) -> str:
    """`1 cell`, `2 cells`"""
    return f"{number} {what}{'' if number == 1 else 's'}"
