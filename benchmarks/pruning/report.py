"""Tables of what was seen, and the same as plain values for plots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.pruning.measure import BUDGETS, Bare, Seen
from benchmarks.pruning.rows import Row

_DRAWS = 1000  # of the bootstrap over questions


@dataclass(frozen=True)
class Found:
    """All questions. `pruned`: by pruner, and for each of `BUDGETS` one for each question."""

    bare: Sequence[Bare]
    pruned: Mapping[str, Sequence[Sequence[Seen]]]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Found:
        """The same, question by question, of rows that have the same pruners."""
        taken = list(rows)
        names = set.intersection(*(set(row.pruned) for row in taken))
        pruned = {name: list(zip(*(row.pruned[name] for row in taken), strict=True)) for name in names}
        return cls([row.bare for row in taken], pruned)

    def agreement(self, seen: Sequence[Seen]) -> float:
        """Of all tokens of all answers."""
        return float(np.mean([match for each in seen for match in each.matches]))

    def sighted(self, seen: Sequence[Seen]) -> float:
        """Of the tokens that a draft without the picture gets wrong."""
        pairs = zip(seen, self.bare, strict=True)
        need = [m for each, b in pairs for m, blind in zip(each.matches, b.nothing.matches, strict=True) if not blind]
        return sum(need) / max(1, len(need))

    def behind(self, some: Sequence[Seen], others: Sequence[Seen]) -> tuple[float, float]:
        """By how much `some` agree less than `others`, and half of its 95 % interval: bootstrap over questions."""
        lost = np.array([sum(b.matches) - sum(a.matches) for a, b in zip(some, others, strict=True)])
        tokens = np.array([len(each.matches) for each in some])
        drawn = np.random.default_rng(0).integers(0, len(lost), (_DRAWS, len(lost)))
        low, high = np.quantile(lost[drawn].sum(1) / tokens[drawn].sum(1), [0.025, 0.975])
        return float(lost.sum() / tokens.sum()), float(high - low) / 2

    @property
    def everything(self) -> list[Seen]:
        return [each.everything for each in self.bare]

    @property
    def nothing(self) -> list[Seen]:
        return [each.nothing for each in self.bare]


def tables(found: Found, names: Sequence[str]) -> str:
    """Markdown: agreement, agreement where the picture is needed, and milliseconds to choose and read."""
    budgets = " | ".join(f"{part:.1%}" for part in BUDGETS)
    ends = f"all visual tokens {found.agreement(found.everything):.3f}, none {found.agreement(found.nothing):.3f}"
    lines = [f"{len(found.bare)} questions, {sum(len(b.everything.matches) for b in found.bare)} tokens: {ends}.", ""]
    columns: list[tuple[str, Callable[[Sequence[Seen]], str]]] = [
        ("agreement", lambda seen: f"{found.agreement(seen):.4f}"),
        ("where the picture is needed", lambda seen: f"{found.sighted(seen):.3f}"),
        ("ms to choose + read", lambda seen: f"{_ms(seen, 'choose'):.1f} + {_ms(seen, 'read'):.1f}"),
    ]
    shown = [(name, found.pruned[name]) for name in names]
    for title, value in columns:
        lines += [f"| {title} | {budgets} |", "|---" * (1 + len(BUDGETS)) + "|"]
        lines += [f"| {name} | {' | '.join(value(seen) for seen in rows)} |" for name, rows in shown]
        lines.append("")
    lines.append(
        f"To see takes {1e3 * median(b.see for b in found.bare):.0f} ms, to read all visual tokens "
        f"{_ms(found.everything, 'read'):.1f} ms, none of them {_ms(found.nothing, 'read'):.1f} ms (medians, CPU time)."
    )
    return "\n".join(lines) + "\n"


def values(found: Found, names: Sequence[str]) -> list[dict[str, Any]]:
    """For plots: one for each pruner and budget. `kept_share`: of the visual tokens, in the mean of questions.

    `acceptance`: agreement, `half_interval`: of 95 %, of what that lacks to the agreement with all tokens seen.
    `choose_ms`, `prefill_ms`: to choose, and then to read the prompt (medians).
    """
    ends = [("none", 1.0, found.everything), ("text-only", 0.0, found.nothing)]
    rows = [(name, part, seen) for name in names for part, seen in zip(BUDGETS, found.pruned[name], strict=True)]
    return [_row(found, *row) for row in ends + rows]


def _row(found: Found, name: str, part: float, seen: Sequence[Seen]) -> dict[str, Any]:
    shares = [each.kept / b.everything.kept for each, b in zip(seen, found.bare, strict=True)]
    return {
        "pruner": name,
        "budget": part,
        "kept_share": round(float(np.mean(shares)), 4),
        "acceptance": round(found.agreement(seen), 4),
        "half_interval": round(found.behind(seen, found.everything)[1], 4),
        "where_needed": round(found.sighted(seen), 4),
        "choose_ms": round(_ms(seen, "choose"), 2),
        "prefill_ms": round(_ms(seen, "read"), 2),
        "questions": len(seen),
    }


def _ms(seen: Sequence[Seen], what: str) -> float:
    return 1e3 * float(median(getattr(each, what) for each in seen))
