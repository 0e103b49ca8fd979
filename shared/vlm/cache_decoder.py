"""A decoder over a Hugging Face cache that any family shares: it counts positions and crops, the family runs forwards.

Output token t stands at position `first_position + t`, whatever was kept of the prompt before it. Only caches that
keep every key can be cropped; a family with another kind is not to use this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# (ids [n], positions [n], cache) -> logits [n, rows]; appends n keys to every layer of the cache.
Forward = Callable[[Tensor, Tensor, Any], Tensor]


class CacheDecoder:
    """`cache` holds the prompt and `length` output tokens."""

    def __init__(self, forward: Forward, cache: Any, first_position: int, length: int) -> None:
        self._forward = forward
        self._cache = cache
        self._first_position = first_position
        self._length = length

    @property
    def length(self) -> int:
        """How many output tokens are held."""
        return self._length

    def extend(self, ids: Sequence[int]) -> Tensor:
        """As the port says."""
        if not ids:
            raise ValueError("a block needs at least one id")
        start = self._first_position + self._length
        logits = self._forward(torch.tensor(ids), torch.arange(start, start + len(ids)), self._cache)
        self._length += len(ids)
        return logits

    def truncate(self, length: int) -> None:
        """As the port says."""
        if not 0 <= length <= self._length:
            raise ValueError(f"cannot truncate {self._length} tokens to {length}")
        if length < self._length:
            self._cache.crop(length - self._length)  # negative: how many to forget; since 5.18 the only form
            self._length = length
