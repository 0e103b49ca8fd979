"""What a model changes and attends to while it reads a prompt: for those who choose which visual tokens matter.

Guarantees: to watch leaves no trace in the model, and what a decoder says afterwards is as if nobody had watched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from shared.vlm.packed import Packed, Span
from shared.vlm.packed_decoder import Forward, PackedDecoder, Tokens
from shared.vlm.port import Block


class _Enough(Exception):
    """What was to be seen has been seen: the rest of the forward need not run."""


def first_update(layer: Any, decoder: PackedDecoder, forward: Forward) -> Tensor:
    """|h_1 - h_0| of each visual token over the model's first `layer`: [visual tokens], float32.

    It runs that layer alone, over the prompt of a decoder that has taken nothing, up to its last visual token: a layer
    does not look ahead. The features of deeper layers are not in it yet.
    """
    row, span = _whole(decoder)
    if not bool(row.visual.any()):
        return torch.zeros(0)
    row = row.part(0, int(row.visual.nonzero()[-1]) + 1)
    span = replace(span, count=len(row.ids))
    changes: list[Tensor] = []

    def watch(_: Any, arguments: tuple[Any, ...], output: Any) -> None:
        after = output[0] if isinstance(output, tuple) else output
        changes.append((after.float() - arguments[0].float()).norm(dim=-1)[0])
        raise _Enough

    handle = layer.register_forward_hook(watch)
    try:
        forward(row, Packed([span]), torch.zeros(1, dtype=torch.long))
    except _Enough:
        pass
    finally:
        handle.remove()
    return changes[0][row.visual.to(changes[0].device)].clone()


def text_attention(decoder: PackedDecoder, forward: Forward) -> Tensor:
    """Attention from the text behind the last picture to each visual token, averaged over layers, heads and text.

    [visual tokens], float32: the whole prompt of a decoder that has taken nothing is read once.
    """
    row, span = _whole(decoder)
    if not bool(row.visual.any()):
        return torch.zeros(0)
    watching = _Watching(row, span)
    forward(row, watching, torch.zeros(1, dtype=torch.long))
    return (torch.stack(watching.layers).mean(0)[row.visual.to(watching.layers[0].device)]).clone()


def _whole(decoder: PackedDecoder) -> tuple[Tokens, Span]:
    """The prompt of a decoder that has taken nothing, in one row."""
    span = decoder.span(Block(decoder, decoder.prompt_left))
    (row,) = decoder.parts(span, ())
    return row, span


class _Watching(Packed):
    """A row of one whole prompt; remembers for each layer where the text behind its pictures looks."""

    def __init__(self, row: Tokens, span: Span) -> None:
        super().__init__([span])
        self._first = int(row.visual.nonzero()[-1]) + 1
        self.layers: list[Tensor] = []  # each [tokens]

    def attend(
        self, layer: int, query: Tensor, states: tuple[Tensor, Tensor], scaling: float | None, window: int | None
    ) -> Tensor:
        """As a row does."""
        keys = states[0].repeat_interleave(query.shape[1] // states[0].shape[1], dim=1)
        factor = query.shape[-1] ** -0.5 if scaling is None else scaling
        scores = query[:, :, self._first :].float() @ keys.float().transpose(-1, -2) * factor
        sees = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril(self._first)
        if window is not None:
            sees = sees.triu(self._first + 1 - window)
        self.layers.append(scores.masked_fill(~sees, -torch.inf).softmax(-1).mean((0, 1, 2)))
        return super().attend(layer, query, states, scaling, window)
