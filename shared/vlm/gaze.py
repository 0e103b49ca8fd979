"""How a vision tower attends: for those who choose which visual tokens matter. It does not know models.

Guarantees: to watch changes nothing of what the tower gives, and leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

_QUERIES = 1024  # whose scores are held at once, of one head


@dataclass(frozen=True)
class Gaze:
    """A late layer of the vision tower, averaged over its heads and over the patches of each visual token."""

    received: (
        Tensor  # [visual tokens]: attention from the class token, or where there is none, the mean of all patches'
    )
    keys: Tensor  # [visual tokens, head dim]

    @staticmethod
    def of(channels: Tensor) -> Gaze:  # [visual tokens, 1 + head dim]
        """Of what `Look.channels` became when the patches became tokens."""
        return Gaze(channels[:, 0].cpu(), channels[:, 1:].cpu())


@dataclass(frozen=True)
class Look:
    """One attention of the watched layer: those whose patches see each other, on the first axis."""

    query: Tensor  # [pieces, heads, patches, head dim]
    key: Tensor  # the same
    mask: Tensor | None  # boolean, or added to the scores: [pieces, heads, patches, patches], each may be 1
    scaling: float | None

    def channels(self, *, class_token: bool) -> Tensor:
        """For each patch what it receives, and its key in the mean of heads: [pieces, patches, 1 + head dim], float32.

        `class_token`: the first of the patches is none; it alone is asked where it looks, and left out.
        """
        keys = self.key.float().mean(1)
        received = torch.stack([self._received(piece, 1 if class_token else None) for piece in range(len(self.query))])
        return torch.cat([received[..., None], keys], dim=-1)[:, int(class_token) :]

    def _received(self, piece: int, asked: int | None) -> Tensor:
        """The mean over heads and over the first `asked` patches, in blocks: of large pictures all would not fit."""
        factor = self.query.shape[-1] ** -0.5 if self.scaling is None else self.scaling
        query, key = self.query[piece, :, :asked].float(), self.key[piece].float()
        heads, count, _ = query.shape
        total = key.new_zeros(key.shape[1])
        for head in range(heads):
            for begin in range(0, count, _QUERIES):
                rows = slice(begin, min(count, begin + _QUERIES))
                scores = query[head, rows] @ key[head].T * factor
                if self.mask is not None:
                    scores = _masked(scores, self.mask[piece % len(self.mask), head % self.mask.shape[1]], rows)
                total += scores.softmax(-1).sum(0)
        return total / (heads * count)


@contextmanager
def watching(module: Any) -> Iterator[list[Look]]:
    """While it is open, each attention that `module` computes by torch's own function is added to what is yielded."""
    looks: list[Look] = []
    listening: Any = _Listening(looks)

    def begin(*_: Any) -> None:
        listening.__enter__()

    def end(*_: Any) -> None:
        listening.__exit__(None, None, None)

    handles = (module.register_forward_pre_hook(begin), module.register_forward_hook(end, always_call=True))
    try:
        yield looks
    finally:
        for handle in handles:
            handle.remove()


def late(layers: Any) -> Any:
    """The last layer but one, where VisionZip looks; of one layer that."""
    return layers[max(0, len(layers) - 2)]


def squares(patches: Tensor, across: int, side: int) -> Tensor:
    """The mean patch of each token, where squares of `across` patches become squares of `side` tokens, row by row.

    [squares x across x across, channels] -> [squares x side x side, channels].
    """
    channels = patches.shape[-1]
    grid = patches.view(-1, across, across, channels).permute(0, 3, 1, 2)
    return avg_pool2d(grid, across // side).flatten(2).transpose(1, 2).reshape(-1, channels)


class _Listening(TorchFunctionMode):
    """Hears torch's attention in the thread that entered it."""

    def __init__(self, looks: list[Look]) -> None:
        super().__init__()
        self._looks = looks

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            self._heard(*args, **kwargs)
        return func(*args, **kwargs)

    def _heard(self, query: Tensor, key: Tensor, _: Tensor, attn_mask: Tensor | None = None, **terms: Any) -> None:
        self._looks.append(Look(query, key, attn_mask, terms.get("scale")))


def _masked(scores: Tensor, mask: Tensor, rows: slice) -> Tensor:
    part = mask if len(mask) == 1 else mask[rows]
    return scores.masked_fill(~part, -torch.inf) if part.dtype == torch.bool else scores + part
