"""What a model tells of its reading is what the stock model does, for every family."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.support.models import FAMILIES, model_called, seen
from tests.support.stock import Stock
from tests.support.tiny_families import folder_of
from tests.support.tiny_qwen import picture, question

PICTURES = {"one": [picture(1)], "two of any shape": [picture(1, 90, 30), picture(2, 40, 80)]}


@functools.cache
def telling(family: str) -> Stock:
    """A stock model that tells its attention."""
    stock = Stock(str(folder_of(family)) if family in FAMILIES else family)
    stock.model.set_attn_implementation("eager")
    return stock


def read(family: str, images: Sequence[Image.Image]) -> tuple[Tensor, tuple[Tensor, Tensor], Any]:
    """Where the visual tokens are, what went into the first layer and came out, and all layers' attention."""
    stock = telling(family)
    inputs = stock.inputs(question("what is in the picture?", len(images)), list(images))
    layers: list[tuple[Tensor, Tensor]] = []
    first = stock.model.get_decoder().layers[0]
    handle = first.register_forward_hook(lambda _, given, out: layers.append((given[0], out)))
    with torch.inference_mode():
        attention = stock.model(**inputs, output_attentions=True).attentions
    handle.remove()
    return inputs["input_ids"][0] == stock.image_id, layers[0], attention


@pytest.mark.parametrize("pictures", PICTURES)
def test_the_first_update_is_the_norm_of_what_the_first_layer_adds(family: str, pictures: str) -> None:
    places, (before, after), _ = read(family, PICTURES[pictures])
    vlm = model_called(family)
    expected = (after - before)[0, places].norm(dim=-1)
    assert torch.allclose(vlm.first_update(*seen(vlm, PICTURES[pictures])), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pictures", PICTURES)
def test_attention_is_that_of_the_text_behind_the_pictures(family: str, pictures: str) -> None:
    places, _, attention = read(family, PICTURES[pictures])
    vlm = model_called(family)
    first = int(places.nonzero()[-1]) + 1
    expected = torch.stack([layer[0, :, first:, places].mean((0, 1)) for layer in attention]).mean(0)
    assert torch.allclose(vlm.attention(*seen(vlm, PICTURES[pictures])), expected, atol=1e-5)
