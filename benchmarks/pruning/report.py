"""Tables of what was seen, and the same as plain values for plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.pruning.measure import BUDGETS, Bare, Seen

_DRAWS = 1000  # of the bootstrap over questions


@dataclass(frozen=True)
class Found:
    """All questions. `pruned`: by pruner, and for each of `BUDGETS` one for each question."""

    bare: Sequence[Bare]
    pruned: Mapping[str, Sequence[Sequence[Seen]]]

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


def tables(found: Found) -> str:
    """Markdown: agreement, agreement where the picture is needed, and milliseconds to choose and read."""
    budgets = " | ".join(f"{part:.1%}" for part in BUDGETS)
    ends = f"all visual tokens {found.agreement(found.everything):.3f}, none {found.agreement(found.nothing):.3f}"
    lines = [f"{len(found.bare)} questions, {sum(len(b.everything.matches) for b in found.bare)} tokens: {ends}.", ""]
    columns: list[tuple[str, Callable[[Sequence[Seen]], str]]] = [
        ("agreement", lambda seen: f"{found.agreement(seen):.4f}"),
        ("where the picture is needed", lambda seen: f"{found.sighted(seen):.3f}"),
        ("ms to choose + read", lambda seen: f"{_ms(seen, 'choose'):.1f} + {_ms(seen, 'read'):.1f}"),
    ]
    for title, value in columns:
        lines += [f"| {title} | {budgets} |", "|---" * (1 + len(BUDGETS)) + "|"]
        lines += [f"| {name} | {' | '.join(value(seen) for seen in rows)} |" for name, rows in found.pruned.items()]
        lines.append("")
    lines.append(
        f"To see takes {1e3 * median(b.see for b in found.bare):.0f} ms, to read all visual tokens "
        f"{_ms(found.everything, 'read'):.1f} ms, none of them {_ms(found.nothing, 'read'):.1f} ms (medians, CPU time)."
    )
    return "\n".join(lines) + "\n"


def values(found: Found) -> dict[str, Any]:
    """For plots: a row for each pruner and budget, acceptance over kept tokens and milliseconds."""
    rows = [
        _row(found, name, part, seen)
        for name, by_budget in found.pruned.items()
        for part, seen in zip(BUDGETS, by_budget, strict=True)
    ]
    ends = [_row(found, "none", 1.0, found.everything), _row(found, "text-only", 0.0, found.nothing)]
    return {"questions": len(found.bare), "see_ms": 1e3 * median(b.see for b in found.bare), "rows": ends + rows}


def _row(found: Found, name: str, part: float, seen: Sequence[Seen]) -> dict[str, Any]:
    lost, half = found.behind(seen, found.everything)
    return {
        "pruner": name,
        "budget": part,
        "kept": float(np.mean([each.kept for each in seen])),
        "agreement": found.agreement(seen),
        "agreement_where_the_picture_is_needed": found.sighted(seen),
        "lost": lost,
        "lost_half_interval": half,
        "choose_ms": _ms(seen, "choose"),
        "read_ms": _ms(seen, "read"),
    }


def _ms(seen: Sequence[Seen], what: str) -> float:
    return 1e3 * float(median(getattr(each, what) for each in seen))
