"""What pruners look at, and what they say: the values that go into them and come out.

Guarantees nothing by itself; `registry.prune` checks what comes out. A pruner names what it asks for beyond the visual
features, so that nobody computes what nobody reads.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.vlm.gaze import Gaze


class Ask(enum.Enum):
    """What a pruner may want to know beside the features and where they sit."""

    QUESTION = "the embeddings of the question's tokens"
    UPDATE = "how much the draft's first layer changes each visual token"
    GAZE = "how the vision tower attends"
    GREY = "the pictures in grey"
    VERIFIER = "how the target attends"


@dataclass(frozen=True)
class Sight:
    """The visual tokens of all pictures of a prompt. Beyond the first three: present if asked for."""

    features: Tensor  # [visual tokens, hidden], float32
    pictures: Tensor  # [visual tokens]: number of the picture it belongs to, not falling
    boxes: Tensor  # [visual tokens, 4]: left, top, right, bottom on its picture, from 0 to 1
    question: Tensor | None = None  # [question tokens, hidden]
    update: Tensor | None = None  # [visual tokens]
    gaze: Gaze | None = None
    grey: tuple[Tensor, ...] | None = None  # for each picture [height, width]
    attention: Tensor | None = None  # [visual tokens]: from the target's text, averaged over layers, heads and queries

    @property
    def count(self) -> int:
        """How many visual tokens there are."""
        return len(self.features)

    def of_pictures(self) -> list[Tensor]:
        """For each picture the indices of its tokens."""
        return [(self.pictures == number).nonzero()[:, 0] for number in sorted(set(self.pictures.tolist()))]


@dataclass(frozen=True)
class Kept:
    """The kept tokens, sorted. `mixing`: what each of them becomes, as weights of all tokens; None: they stay."""

    indices: tuple[int, ...]
    mixing: Tensor | None = None  # [kept, visual tokens], rows that sum to 1

    @staticmethod
    def of(indices: Tensor) -> Kept:
        """Of indices in any order."""
        return Kept(tuple(sorted(indices.tolist())))


@dataclass(frozen=True)
class Pruner:
    """`choose` is told how many tokens to keep, from 1 to all but one, and keeps so many or fewer."""

    choose: Callable[[Sight, int], Kept]
    asks: frozenset[Ask] = frozenset()


def given(value: Tensor | None) -> Tensor:
    """What was asked for. That it is not there is a bug of the caller."""
    if value is None:
        raise ValueError("a pruner needs what it asks for")
    return value


def top(scores: Tensor, count: int) -> Tensor:
    """Indices of the `count` highest scores, highest first, of equals the first."""
    return torch.sort(scores, descending=True, stable=True).indices[:count]


def unit(rows: Tensor) -> Tensor:
    """Rows scaled to length 1; zero stays zero."""
    scaled: Tensor = rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return scaled


def spread(scores: Tensor) -> Tensor:
    """Scaled to reach from 0 to 1; all alike: 1."""
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else torch.ones_like(scores)


def ranks(values: Tensor) -> list[int]:
    """The number of each value among the different ones, up to rounding."""
    rounded = (values * 1e4).round().long().tolist()
    order = {value: rank for rank, value in enumerate(sorted(set(rounded)))}
    return [order[value] for value in rounded]


def shares(weights: list[float], rooms: list[int], total: int) -> list[int]:
    """`total` split by `weights` within `rooms`: the largest remainder after each whole part gets one more."""
    given_out = [0] * len(rooms)
    while (left := min(total, sum(rooms)) - sum(given_out)) > 0:
        open_ = [i for i, room in enumerate(rooms) if given_out[i] < room]
        weight = sum(weights[i] for i in open_)
        parts = {i: left * (weights[i] / weight if weight > 0 else 1 / len(open_)) for i in open_}
        for i, part in parts.items():
            given_out[i] += min(int(part), rooms[i] - given_out[i])
        left = min(total, sum(rooms)) - sum(given_out)
        by_remainder = sorted(open_, key=lambda i: (int(parts[i]) - parts[i], i))
        for i in [i for i in by_remainder if given_out[i] < rooms[i]][:left]:
            given_out[i] += 1
    return given_out
