"""Which of its visual tokens a target's text attends to, told as places on the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

SIDE = 2**16 - 1  # a picture's side in the units of a box

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom, each from 0 to SIDE


@dataclass(frozen=True, slots=True)
class Attended:
    """For each picture, in the order of their places in the prompt, the boxes of the tokens that are told."""

    pictures: tuple[tuple[Box, ...], ...] = ()

    @property
    def count(self) -> int:
        """How many tokens are told."""
        return sum(len(boxes) for boxes in self.pictures)
