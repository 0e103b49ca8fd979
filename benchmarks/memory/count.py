"""Counts a model's weights, and what a token of context takes, from its config alone.

The model is built on torch's meta device: every tensor has its shape and none has memory. A token's cache is
2 * layers * key-value heads * head dimension numbers (keys and values); sliding windows
count as if they held all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

BYTES = {"float32": 4.0, "bfloat16": 2.0, "int8": 1.0, "4bit": 0.5}
_KEPT = 2.0  # bytes of each number that int8 and 4 bit leave alone: vision tower, embeddings, norms


@dataclass(frozen=True)
class Size:
    """`weights` in all; `linear`: those of the language model's linear layers; `cache`: numbers for each token."""

    weights: int
    linear: int
    cache: int

    def gib(self, form: str) -> float:
        """GiB of weights in a format. int8 and 4bit: of the language model's linear layers, the rest in bfloat16."""
        if form in ("int8", "4bit"):
            return (self.linear * BYTES[form] + (self.weights - self.linear) * _KEPT) / 2**30
        return self.weights * BYTES[form] / 2**30

    def cache_mib(self, tokens: int, form: str = "bfloat16") -> float:
        """MiB of the cache of so many tokens."""
        return self.cache * tokens * BYTES[form] / 2**20


def size_of(kind: str, shape: Mapping[str, Any]) -> Size:
    """The size of a model of transformers' `kind` with the fields of its config."""
    from transformers import CONFIG_MAPPING, AutoModelForImageTextToText  # seconds to import

    config = CONFIG_MAPPING[kind](**shape)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    model.tie_weights()
    linear = {
        parameter
        for module in model.get_decoder().modules()
        if isinstance(module, torch.nn.Linear)
        for parameter in module.parameters()
    }
    text = config.get_text_config()
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return Size(
        weights=sum(parameter.numel() for parameter in model.parameters()),
        linear=sum(parameter.numel() for parameter in linear),
        cache=2 * text.num_hidden_layers * text.num_key_value_heads * head,
    )
