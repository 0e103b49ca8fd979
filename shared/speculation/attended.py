"""Which of its visual tokens a target's text attends to, told as places on the pictures, and how much is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

SIDE = 2**16 - 1  # a picture's side in the units of a box

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom, each from 0 to SIDE


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


@dataclass(frozen=True, slots=True)
class Attended:
    """For each picture, in the order of their places in the prompt, the boxes of the tokens that are told."""

    pictures: tuple[tuple[Box, ...], ...] = ()

    @property
    def count(self) -> int:
        """How many tokens are told."""
        return sum(len(boxes) for boxes in self.pictures)
