"""What a person may say about pruning: a pruner by name, and how many visual tokens to keep.

Light to import: the command line's help needs it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shared.errors import InvalidValue
from shared.shares import Count, Ratio, Share

PARTS = ("relevance", "activity", "rank")  # of covspec
PRUNERS = (
    "covspec",
    "none",
    "text-only",
    "random",
    "grid",
    "pool",
    "divprune",
    "divprune-centred",
    "visionzip",
    "pivoted-qr",
    "erc",
    "verifier",
)
_DIGITS = 20  # of a number: Python reads no endless ones


@dataclass(frozen=True)
class Choice:
    """A pruner. `parts`: what covspec scores by, if not by all; `seed`: of random."""

    name: str = "covspec"
    parts: frozenset[str] = frozenset(PARTS)
    seed: int = 0


@dataclass(frozen=True)
class Auto:
    """As many as pay: see `budget.automatic`."""


Budget = Share | Auto


def check_together(choice: Choice, budget: Budget) -> None:
    """Refuse a budget that the pruner cannot have. Raises InvalidValue."""
    if choice.name == "verifier" and isinstance(budget, Auto):
        rule = "says nothing to the edge, which chooses for --prune verifier: give a count, or a ratio such as 25%"
        raise InvalidValue("keep", "auto", rule)


def parse_choice(text: str) -> Choice:
    """`NAME`, `covspec:PART+PART`, `random:SEED`. Raises InvalidValue."""
    name, _, detail = text.partition(":")
    if name not in PRUNERS:
        raise InvalidValue("prune", text, f"must be one of {', '.join(PRUNERS)}")
    if not detail:
        return Choice(name)
    if name == "covspec" and set(detail.split("+")) <= set(PARTS):
        return Choice(name, parts=frozenset(detail.split("+")))
    if name == "random" and detail.isdecimal() and len(detail) <= _DIGITS and int(detail) < 2**63:
        return Choice(name, seed=int(detail))
    rule = f"after the colon comes for covspec some of {', '.join(PARTS)} with '+' between, for random a seed"
    raise InvalidValue("prune", text, rule)


def parse_budget(text: str) -> Budget:
    """`auto`, a count such as `64`, a ratio such as `0.083` or `8.3%`. Raises InvalidValue."""
    if text == "auto":
        return Auto()
    if text.isdecimal() and len(text) <= _DIGITS:
        return Count(int(text))
    try:
        part = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        part = math.nan
    if not 0 <= part <= 1:
        raise InvalidValue("keep", text, "must be auto, a count, or a ratio such as 0.083 or 8.3%, at most 1")
    return Ratio(part)
