"""Weights of a language model as int8, for CPUs, with activations of 16 bits: no outlier rounds the others away.

A token's activations are two rows of int8, coarse and fine, with a scale of the token's own; a weight has a scale for
each output. The input columns that carry the largest activations keep float32 weights: a short text shows which they
are. For drafts alone: its proposals may differ from those of the model it was made of. The vision tower stays as it is,
for it runs once, and what it loses every token loses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

TEXT = (
    "The picture shows a small harbour on a bright morning. A red boat with 2 sails lies on the left, and three people "
    "carry baskets of fish to the market behind it. What colour is the boat, and how many people are there?"
)
KEPT = 32  # of so many input columns one keeps float32 weights
_LEVELS = 127  # of int8, on either side of zero
_FINE = 2 * _LEVELS  # a step of the coarse row holds so many of the fine one
_TINY = torch.tensor(torch.finfo(torch.float32).tiny)  # no scale is zero


def to_int8(model: Any, ids: Sequence[int]) -> float:
    """Replace the Linears of the language model, and its head, in place. Float32 on CPU only. Raises RuntimeError.

    `ids`: a text that shows which columns carry much. Returns the share of its places after which the best next token
    stayed the same.
    """
    levels = _levels()
    text = torch.tensor([list(ids)])
    before, peaks = _watched(model, lambda: _best(model, text))
    decoder = model.get_decoder()
    for parent in list(decoder.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear):
                setattr(parent, name, Int8Linear(layer, _columns(layer, peaks), levels))
    head = model.get_output_embeddings()
    model.set_output_embeddings(Int8Linear(head, _columns(head, peaks), levels))
    return float((_best(model, text) == before).float().mean())


class Int8Linear(nn.Module):
    """A Linear whose weights are int8, but for those of `columns`: [kept], indices of its inputs.

    x: [..., inputs] -> [..., outputs], float32 both. `levels`: the largest weight as int8.
    """

    def __init__(self, linear: nn.Linear, columns: Tensor, levels: int) -> None:
        super().__init__()
        weight = linear.weight.detach().float().clone()
        self.in_features, self.out_features, self.bias = linear.in_features, linear.out_features, linear.bias
        self._columns, self._kept = columns, weight[:, columns].t().contiguous()
        weight[:, columns] = 0
        self._rest = torch.ones(self.in_features).index_fill_(0, columns, 0)
        self._scales = weight.abs().amax(1).clamp(min=_TINY) / levels
        rounded = (weight / self._scales[:, None]).round().to(torch.int8)
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        self._packed: Tensor = torch.ops.onednn.qlinear_prepack(rounded, None)

    def get_extra_state(self) -> Tensor:
        """Scales and float32 weights: what a state says of the weights, so that no two models have the same."""
        return torch.cat((self._scales, self._kept.flatten()))

    def forward(self, x: Tensor) -> Tensor:
        """The product. A token's result is its own: it depends on no other token of `x`."""
        row = x.reshape(-1, self.in_features)
        fine = row * self._rest
        scale = torch.add(_TINY, torch.linalg.vector_norm(fine, torch.inf, 1, keepdim=True), alpha=1 / _LEVELS)
        fine /= scale
        coarse = fine.round()
        fine.sub_(coarse).mul_(_FINE)
        both = _product(torch.cat((coarse, fine)).to(torch.int8), self._packed, self._scales, self._zeros)
        product = torch.add(both[: len(row)], both[len(row) :], alpha=1 / _FINE).mul_(scale)
        product.addmm_(row.index_select(1, self._columns), self._kept)
        if self.bias is not None:
            product += self.bias
        return product.view(*x.shape[:-1], self.out_features)


def _product(x: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
    """x: [tokens, inputs], int8; `packed`: of [outputs, inputs]. Returns [tokens, outputs], float32."""
    product: Tensor = torch.ops.onednn.qlinear_pointwise(
        x, 1.0, 0, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return product


def _levels() -> int:
    """The largest weight whose products this processor adds without overflow: without VNNI it adds pairs in 16 bits."""
    full = torch.full((1, 64), _LEVELS, dtype=torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(full, None)
    exact = _product(full, packed, torch.ones(1), torch.zeros(1, dtype=torch.int64)).item() == 64 * _LEVELS**2
    return _LEVELS if exact else _LEVELS // 2


def _best(model: Any, text: Tensor) -> Tensor:  # text: [1, tokens]
    """The likeliest token after each place: [tokens]."""
    with torch.inference_mode():
        hidden = model.get_decoder()(input_ids=text, use_cache=False).last_hidden_state[0]
        best: Tensor = model.get_output_embeddings()(hidden).argmax(-1)
    return best


def _watched(model: Any, run: Callable[[], Tensor]) -> tuple[Tensor, dict[nn.Module, Tensor]]:
    """What `run` returns, and for each Linear the largest activation of each of its inputs: [inputs]."""
    peaks: dict[nn.Module, Tensor] = {}

    def watch(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        peaks[layer] = inputs[0].abs().flatten(0, -2).amax(0)

    linears = [layer for layer in model.get_decoder().modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(watch) for layer in (*linears, model.get_output_embeddings())]
    try:
        return run(), peaks
    finally:
        for hook in hooks:
            hook.remove()


def _columns(linear: nn.Linear, peaks: dict[nn.Module, Tensor]) -> Tensor:
    """The inputs that keep float32 weights: those with the largest activations; if none was seen, weights."""
    seen = peaks.get(linear)
    peak = linear.weight.abs().amax(0) if seen is None else seen
    return peak.topk(max(1, linear.in_features // KEPT)).indices.sort().values.clone()
