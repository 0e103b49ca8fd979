"""What Qwen3-VL tells of its reading is what the stock model does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import Qwen3VLForConditionalGeneration

from shared.vlm.port import Prompt, VisualTokens, Vlm
from shared.vlm.single import prefill
from tests.support.models import assert_alike, seen
from tests.support.tiny_qwen import picture, tiny_folder, tiny_qwen

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


def test_without_a_picture_there_is_nothing_to_tell() -> None:
    vlm = tiny_qwen()
    prompt, visual = seen(vlm, [])
    assert vlm.first_update(prompt, visual).shape == (0,)
    assert vlm.attention(prompt, visual).shape == (0,)


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
