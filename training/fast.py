"""The forward of a stock Qwen3-VL module for training on a CPU: pictures of one size batched.

Same parameters, same numbers as the stock forward (a test compares them); no cache, no masks built inside.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids

StockModule = Any  # a module of the stock model; its parts are not typed


@lru_cache(maxsize=64)
def _grid(height: int, width: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    grid = torch.tensor([[1, height, width]])
    indices, weights = get_vision_interpolation_indices_and_weights(grid, side, "bilinear", True, 2)
    return indices, weights, get_vision_position_ids(grid, 2)


def _rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-second, first), dim=-1) * sin


def see(
    visual: StockModule,
    patches: Tensor,  # [pictures, height * width, 3 * patch * patch], merge-block order
    height: int,  # in patches
    width: int,
) -> tuple[Tensor, list[Tensor]]:
    """Visual tokens [pictures, height * width / 4, out] and their deepstack companions."""
    indices, weights, positions = _grid(height, width, visual.num_grid_per_side)
    kernel = visual.patch_embed.proj.weight.sum(2).flatten(1)  # a still picture repeats in time
    states = functional.linear(patches, kernel, visual.patch_embed.proj.bias)
    states = states + (visual.pos_embed(indices) * weights[..., None].to(states.dtype)).sum(1)
    cos, sin = (value.to(states.dtype) for value in visual.rotary_pos_emb(states, positions))
    deep = []
    for number, block in enumerate(visual.blocks):
        states = states + _look(block.attn, block.norm1(states), cos, sin)
        states = states + block.mlp(block.norm2(states))
        if number in visual.deepstack_visual_indexes:
            merger = visual.deepstack_merger_list[visual.deepstack_visual_indexes.index(number)]
            deep.append(merger(states.flatten(0, 1)).unflatten(0, (len(patches), -1)))
    return visual.merger(states.flatten(0, 1)).unflatten(0, (len(patches), -1)), deep


def _look(attention: StockModule, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    heads = attention.num_heads
    query, key, value = attention.qkv(states).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    query, key = _rotate(query, cos, sin), _rotate(key, cos, sin)
    mixed = functional.scaled_dot_product_attention(query, key, value, scale=attention.scaling)
    seen: Tensor = attention.proj(mixed.transpose(1, 2).flatten(2))
    return seen


def read(
    text: StockModule,
    embeddings: Tensor,  # [batch, length, width]
    positions: Tensor,  # [3, batch, length]
    mask: Tensor,  # [batch, 1, length, length], added to the scores
    deep: list[Tensor],  # deepstack, zero outside the visual tokens: [batch, length, width]
) -> tuple[Tensor, list[Tensor]]:
    """Last hidden states [batch, length, width], and each layer's attention [batch, heads, length, length]."""
    states, attention = embeddings, []
    cos, sin = (value.unsqueeze(1) for value in text.rotary_emb(states, positions))
    for number, layer in enumerate(text.layers):
        attended, weights = _attend(layer.self_attn, _norm(layer.input_layernorm, states), (cos, sin), mask)
        attention.append(weights)
        states = states + attended
        states = states + layer.mlp(_norm(layer.post_attention_layernorm, states))
        if number < len(deep):
            states = states + deep[number]
    return _norm(text.norm, states), attention


def _norm(norm: StockModule, states: Tensor) -> Tensor:
    return functional.rms_norm(states, (states.shape[-1],), norm.weight, norm.variance_epsilon)


def _attend(attention: StockModule, states: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
    split = (-1, attention.head_dim)
    query = _rotate(_norm(attention.q_norm, attention.q_proj(states).unflatten(-1, split)).transpose(1, 2), *turn)
    key = _rotate(_norm(attention.k_norm, attention.k_proj(states).unflatten(-1, split)).transpose(1, 2), *turn)
    value = attention.v_proj(states).unflatten(-1, split).transpose(1, 2)
    groups = attention.num_key_value_groups
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    weights = ((query * attention.scaling) @ key.transpose(-1, -2) + mask).softmax(-1)
    attended: Tensor = attention.o_proj((weights @ value).transpose(1, 2).flatten(2))
    return attended, weights
