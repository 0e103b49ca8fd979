"""How a vision tower attends, told through the port, is the eager attention of the stock model, for every family."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AttentionInterface

from shared.vlm.single import prefill
from tests.support.models import FAMILIES, model_called, seen
from tests.support.stock import Stock
from tests.support.tiny_families import folder_of
from tests.support.tiny_qwen import picture, question

PICTURES = {
    "one": [picture(1, 60, 50)],
    "wide": [picture(1, 120, 30)],
    "two of any shape": [picture(1, 90, 30), picture(2, 40, 80)],
}
TOWERS = ("visual", "vision_tower", "vision_model")  # what families call it
Told = list[tuple[Tensor, Tensor]]  # weights [pieces, heads, looking, looked at] and keys of each call


@functools.cache
def eager(family: str) -> tuple[Stock, dict[Any, Told]]:
    """A stock model whose tower attends eagerly, and what that tells of each of its layers."""
    stock = Stock(str(folder_of(family)) if family in FAMILIES else family)
    told: dict[Any, Told] = {}

    def spy(module: Any, query: Tensor, key: Tensor, value: Tensor, *given: Any, **terms: Any) -> Any:
        output = sys.modules[type(module).__module__].eager_attention_forward(
            module, query, key, value, *given, **terms
        )
        told.setdefault(module, []).append((output[1].detach(), key.detach()))
        return output

    AttentionInterface.register("spy", spy)
    stock.model.set_attn_implementation({"vision_config": "spy"})
    return stock, told


def layers_of(model: Any) -> Any:
    tower = next(getattr(model.model, name) for name in TOWERS if name in dict(model.model.named_children()))
    if "blocks" in dict(tower.named_children()):
        return tower.blocks
    return next(module for name, module in tower.encoder.named_children() if name in ("layer", "layers"))


def watched(model: Any) -> int:
    """Which layer: the last but one, of Qwen2.5-VL the last that sees the whole picture and is not the very last."""
    layers = range(len(layers_of(model)) - 1)
    if model.config.model_type == "qwen2_5_vl":
        return max(set(layers) & set(model.config.vision_config.fullatt_block_indexes))
    return max(layers)


def made_of(stock: Stock, images: Sequence[Image.Image]) -> Tensor:
    """By how much each patch of the last layer counts in each visual token: [visual tokens, patches], from gradients.

    Where a token is a projection of some patches all that is known is which: they count alike. LLaVA-OneVision mixes
    what is projected already, so there the gradient says the share.
    """
    model, held = stock.model, []
    projected = model.config.model_type == "llava_onevision"
    source = model.model.multi_modal_projector if projected else layers_of(model)[-1]

    def hold(_: Any, __: Any, output: Any) -> Any:
        states = (output[0] if isinstance(output, tuple) else output).detach().requires_grad_()
        held.append(states)
        return (states, *output[1:]) if isinstance(output, tuple) else states

    inputs = stock.inputs(question("what is in the picture?", len(images)), list(images))
    handle = source.register_forward_hook(hold)
    pixels = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask") and "type_ids" not in k}
    if projected:
        pixels["batch_num_images"] = [len(images)]
    features = model.get_image_features(**pixels, return_dict=True).pooler_output
    handle.remove()
    rows = []
    for token in features.flatten(0, -2) if isinstance(features, Tensor) else torch.cat(list(features)):
        (slope,) = torch.autograd.grad(token[0], held, retain_graph=True, allow_unused=True, materialize_grads=True)
        rows.append(slope.flatten(0, -2)[:, 0] if projected else (slope.flatten(0, -2).abs().sum(-1) > 0).float())
    shares = torch.stack(rows)
    return shares if projected else shares / shares.sum(-1, keepdim=True)


@pytest.mark.parametrize("pictures", PICTURES)
def test_the_gaze_is_that_of_eager_attention(family: str, pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.vlm.gaze._QUERIES", 5)  # so that many blocks of them are needed
    images = PICTURES[pictures]
    stock, told = eager(family)
    told.clear()
    shares = made_of(stock, images)
    kind = stock.model.config.model_type
    name = "attention" if kind == "internvl" else "attn" if kind.startswith("qwen") else "self_attn"
    weights, keys = zip(*told[getattr(layers_of(stock.model)[watched(stock.model)], name)], strict=True)
    if kind == "internvl":  # has a class token, the first: what it looks at counts
        looked = torch.cat([piece[:, :, 0].mean(1).flatten() for piece in weights])
    else:
        looked = torch.cat([piece.mean((1, 2)).flatten() for piece in weights])
    patches = torch.cat([piece.mean(1).flatten(0, -2) for piece in keys])
    vlm = model_called(family)
    visual, gaze = vlm.gaze(seen(vlm, images)[0])
    assert torch.allclose(gaze.received, shares @ looked, atol=1e-6)
    assert torch.allclose(gaze.keys, shares @ patches, atol=1e-5)
    assert torch.equal(visual.features, seen(vlm, images)[1].features)


def test_to_watch_leaves_no_trace(family: str) -> None:
    vlm, images = model_called(family), PICTURES["one"]
    prompt, visual = seen(vlm, images)
    _, before = prefill(vlm, prompt, visual)
    gazed, _ = vlm.gaze(prompt)
    vlm.first_update(prompt, visual)
    vlm.attention(prompt, visual)
    assert torch.equal(before, prefill(vlm, prompt, gazed)[1])


def test_without_a_picture_there_is_no_gaze(family: str) -> None:
    vlm = model_called(family)
    assert vlm.gaze(seen(vlm, [])[0])[1].received.shape == (0,)
