"""Attention over packed rows is the stock attention of each sequence; what it cannot do is refused by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AttentionInterface, Qwen2Config, Qwen2ForCausalLM

from shared.errors import ModelError
from shared.vlm.packed import NAME, Packed, Span, pack
from shared.vlm.store import Store

TOLERANCE = 1e-4


def text_model(window: int | None, heads: int = 4) -> Any:
    """A small text model, every other layer of which sees `window` tokens."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=99,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=4,
            num_attention_heads=heads,
            num_key_value_heads=2,
            use_sliding_window=window is not None,
            sliding_window=window,
            layer_types=["full_attention", "sliding_attention"] * 2 if window else ["full_attention"] * 4,
            initializer_range=0.4,
        )
        return Qwen2ForCausalLM(config).eval()


def run(model: Any, blocks: list[tuple[Store, list[int]]]) -> list[Tensor]:
    """The logits of one packed forward, for each block."""
    spans = [Span(store, len(ids)) for store, ids in blocks]
    positions = [p for store, ids in blocks for p in range(store.length, store.length + len(ids))]
    row = torch.tensor([[token for _, ids in blocks for token in ids]])
    with torch.no_grad():
        logits = model(
            input_ids=row, position_ids=torch.tensor([positions]), use_cache=False, packed=Packed(spans)
        ).logits[0]
    for store, ids in blocks:
        store.length += len(ids)
    return list(logits.split([len(ids) for _, ids in blocks]))


@pytest.mark.parametrize("window", [None, 1, 2, 5, 8, 64])
@pytest.mark.parametrize("heads", [2, 4])
def test_a_packed_row_is_the_stock_forward_of_each_sequence(window: int | None, heads: int) -> None:
    """Another family than those behind the port: grouped heads or not, sliding windows or not."""
    generator = torch.Generator().manual_seed(0)
    sequences = torch.randint(0, 99, (3, 20), generator=generator)
    model = text_model(window, heads)
    with torch.no_grad():
        expected = model(input_ids=sequences, use_cache=False).logits
    pack(model, "")
    stores, rows = [Store() for _ in sequences], [[torch.zeros(0, 99)] for _ in sequences]
    sizes = [(8, 0, 3), (1, 2, 5), (4, 1, 0), (1, 1, 4), (6, 16, 8)]  # of each sequence in each step
    for step in sizes:
        some = [i for i, size in enumerate(step) if size]
        blocks = [(stores[i], sequences[i, stores[i].length :][: step[i]].tolist()) for i in some]
        for i, logits in zip(some, run(model, blocks), strict=True):
            rows[i].append(logits)
    for i, store in enumerate(stores):
        assert store.length == 20
        assert (torch.cat(rows[i]) - expected[i]).abs().max() <= TOLERANCE


def test_a_window_is_no_wider_than_it_says() -> None:
    """So that the test above would notice one that is ignored."""
    model, wide = text_model(5), text_model(64)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        difference = (model(input_ids=ids).logits - wide(input_ids=ids).logits).abs()
    assert difference[:, :5].max() <= TOLERANCE
    assert difference[:, 5:].max() > 0.1


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"softcap": 30.0}, "softcap is not supported"),
        ({"s_aux": torch.zeros(1)}, "s_aux is not supported"),
        ({"position_bias": torch.zeros(1)}, "position_bias is not supported"),
        ({"attention_mask": torch.zeros(1)}, "masks of a model's own are not supported"),
        ({"layer_type": "sliding_attention"}, "does not say how wide"),
    ],
)
def test_attention_of_another_kind_is_refused(terms: dict[str, Any], sentence: str) -> None:
    pack(text_model(None), "")
    states = [torch.zeros(1, heads, 1, 8) for heads in (4, 2, 2)]
    module = SimpleNamespace(layer_idx=0, layer_type=terms.pop("layer_type", "full_attention"))
    terms.setdefault("attention_mask", None)
    with pytest.raises(ModelError, match=sentence):
        AttentionInterface()[NAME](module, *states, packed=Packed([Span(Store(), 1)]), **terms)


def test_layers_of_another_kind_are_refused() -> None:
    model = text_model(None)
    model.config.layer_types = ["full_attention", "chunked_attention"]
    with pytest.raises(ModelError, match="layers of kind chunked_attention are not supported"):
        pack(model, "")
