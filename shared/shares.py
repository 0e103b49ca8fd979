"""How many of some tokens: a count of them, or a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never


@dataclass(frozen=True, slots=True)
class Count:
    """So many, of all pictures together."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """This part of them."""

    part: float


Share: TypeAlias = Count | Ratio


def share_of(share: Share, tokens: int) -> int:
    """How many of `tokens` that is, from 0 to all of them; a ratio that is not 0 is one at least."""
    match share:
        case Count(count):
            return min(count, tokens)
        case Ratio(part):
            return min(tokens, max(part > 0, round(part * tokens)))
        case _:
            assert_never(share)
