"""How a vision tower attends: for those who choose which visual tokens matter. It does not know models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaze:
    """A late layer of the vision tower, averaged over its heads and over the patches of each visual token."""

    received: Tensor  # [visual tokens]: attention that it receives, averaged over all that look
    keys: Tensor  # [visual tokens, head dim]

    @staticmethod
    def of(states: tuple[Tensor, Tensor], lengths: Sequence[int], scaling: float, merged: int) -> Gaze:
        """states: queries and keys, each [patches, heads, head dim], of pictures of `lengths` patches.

        `merged`: so many patches in a row become one token.
        """
        query, key = states
        received = []
        for queries, keys in zip(
            torch.split_with_sizes(query, list(lengths)), torch.split_with_sizes(key, list(lengths)), strict=True
        ):
            weights = (torch.einsum("qhd,khd->hqk", queries.float(), keys.float()) * scaling).softmax(-1)
            received.append(weights.mean((0, 1)))
        looked = torch.cat(received).view(-1, merged).mean(-1)
        return Gaze(looked, key.float().mean(1).view(-1, merged, key.shape[-1]).mean(1))


@dataclass
class Watched:
    """What a tower has told so far: nothing, if it saw no picture."""

    found: list[Gaze] = field(default_factory=list)

    def gaze(self) -> Gaze:
        """All of it."""
        empty = [Gaze(torch.zeros(0), torch.zeros(0, 1))]
        received = torch.cat([each.received.cpu() for each in self.found or empty])
        return Gaze(received, torch.cat([each.keys.cpu() for each in self.found or empty]))
