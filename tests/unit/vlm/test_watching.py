"""What a model tells of its reading is what the stock model does, and watching it changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AttentionInterface, Qwen3VLForConditionalGeneration

from shared.vlm.port import Prompt, VisualTokens, Vlm
from shared.vlm.single import prefill
from tests.support.models import assert_alike, seen
from tests.support.tiny_qwen import MERGE, picture, tiny_folder, tiny_qwen

PICTURES = {"one": [picture(1)], "two of any shape": [picture(1, 90, 30), picture(2, 40, 80)]}


@pytest.fixture(params=PICTURES, ids=str)
def images(request: pytest.FixtureRequest) -> list[Image.Image]:
    return PICTURES[request.param]


def stock() -> Any:
    model: Any = Qwen3VLForConditionalGeneration.from_pretrained(tiny_folder(), attn_implementation="eager")
    return model.eval()


def read(model: Any, vlm: Vlm, images: list[Image.Image]) -> tuple[Prompt, VisualTokens, Tensor, Any]:
    """The stock model over the same prompt, with all it can tell."""
    prompt, visual = seen(vlm, images)
    ids = torch.tensor([prompt.ids])
    pixels = prompt.pixels.pixels
    with torch.inference_mode():
        out = model(
            input_ids=ids,
            mm_token_type_ids=(ids == model.config.image_token_id).int(),
            output_attentions=True,
            output_hidden_states=True,
            **pixels,
        )
    return prompt, visual, ids[0] == model.config.image_token_id, out


def test_the_first_update_is_the_norm_of_what_the_first_layer_adds(images: list[Image.Image]) -> None:
    model, vlm = stock(), tiny_qwen()
    layers: list[tuple[Tensor, Tensor]] = []
    model.model.language_model.layers[0].register_forward_hook(lambda _, given, out: layers.append((given[0], out)))
    prompt, visual, places, _ = read(model, vlm, images)
    before, after = layers[0]
    expected = (after - before)[0, places].norm(dim=-1)
    assert torch.allclose(vlm.first_update(prompt, visual), expected, rtol=1e-4, atol=1e-4)


def test_attention_is_that_of_the_text_behind_the_pictures(images: list[Image.Image]) -> None:
    model, vlm = stock(), tiny_qwen()
    prompt, visual, places, out = read(model, vlm, images)
    first = int(places.nonzero()[-1]) + 1
    expected = torch.stack([layer[0, :, first:, places].mean((0, 1)) for layer in out.attentions]).mean(0)
    assert torch.allclose(vlm.attention(prompt, visual), expected, atol=1e-5)


def test_the_gaze_is_the_attention_of_the_last_layer_but_one(images: list[Image.Image]) -> None:
    model, vlm = stock(), tiny_qwen()
    told: list[tuple[Tensor, Tensor]] = []

    def spy(module: Any, query: Tensor, key: Tensor, value: Tensor, *_: Any, **terms: Any) -> tuple[Tensor, None]:
        weights = (query @ key.transpose(-1, -2) * terms["scaling"]).softmax(-1)
        if module is model.model.visual.blocks[-2].attn:
            told.append((weights[0].mean((0, 1)), key[0].mean(0)))
        return (weights @ value).transpose(1, 2), None

    AttentionInterface.register("spy", spy)
    model.set_attn_implementation({"vision_config": "spy"})
    prompt, visual, _, _ = read(model, vlm, images)
    gazed, gaze = vlm.gaze(prompt)
    assert len(told) == len(images)
    assert torch.equal(gazed.features, visual.features)
    received, keys = (torch.cat([each[i] for each in told]) for i in (0, 1))
    assert torch.allclose(gaze.received, received.view(-1, MERGE**2).mean(-1), atol=1e-6)
    assert torch.allclose(gaze.keys, keys.view(-1, MERGE**2, keys.shape[-1]).mean(1), atol=1e-5)


def test_to_watch_leaves_no_trace(images: list[Image.Image]) -> None:
    vlm = tiny_qwen()
    prompt, visual = seen(vlm, images)
    _, before = prefill(vlm, prompt, visual)
    gazed, _ = vlm.gaze(prompt)
    vlm.first_update(prompt, visual)
    vlm.attention(prompt, visual)
    _, after = prefill(vlm, prompt, gazed)
    assert torch.equal(before, after)


def test_without_a_picture_there_is_nothing_to_tell() -> None:
    vlm = tiny_qwen()
    prompt, visual = seen(vlm, [])
    assert vlm.first_update(prompt, visual).shape == (0,)
    assert vlm.attention(prompt, visual).shape == (0,)
    assert vlm.gaze(prompt)[1].received.shape == (0,)


def test_what_is_mixed_is_mixed_in_deeper_layers_too() -> None:
    vlm = tiny_qwen()
    prompt, visual = seen(vlm, [picture(1)])
    count = len(visual.features)
    mixing = torch.zeros(2, count)
    mixing[0, :2], mixing[1, 2] = 0.5, 1.0
    mixed = visual.mixed([0, 2], mixing)
    for before, after in zip((visual.features, *visual.extras), (mixed.features, *mixed.extras), strict=True):
        assert torch.allclose(after[0], before[:2].mean(0))
        assert torch.equal(after[1:], before[1:])
    _, some = prefill(vlm, prompt, mixed, [0, 2])
    _, others = prefill(vlm, prompt, visual, [0, 2])
    assert (some - others).abs().max() > 1e-2
    _, same = prefill(vlm, prompt, visual.mixed(range(count), torch.eye(count)))
    assert_alike(same, prefill(vlm, prompt, visual)[1])
