"""What the makers of a family's models may set otherwise, and what a stranger may write, in every family."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import ModelError
from shared.vlm.hub_vlm import HubVlm
from shared.vlm.load import load
from shared.vlm.port import VisualTokens
from shared.vlm.single import extend, prefill
from tests.support.models import ANSWER, FAMILIES, model_called, seen
from tests.support.stock import Stock
from tests.support.tiny_families import folder_of
from tests.support.tiny_qwen import picture, question


def changed(folder: Path, file: str, **settings: Any) -> None:
    """Set what a JSON file of a model says."""
    said = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(said | settings))


@pytest.mark.parametrize(
    ("family", "settings", "visual_tokens"),
    [
        ("idefics3", {"do_image_splitting": False}, 4),
        ("smolvlm", {"size": {"longest_edge": 32}}, 4),  # nothing is left to split
        ("internvl", {"max_patches": 1}, 4),
        ("internvl", {"min_patches": 2, "max_patches": 2}, 12),
        ("llava_onevision", {"image_grid_pinpoints": [[32, 64], [64, 32]]}, 56),
        ("gemma3", {"do_pan_and_scan": True}, 16),  # which its processor overrules
    ],
)
def test_an_image_processor_that_is_set_otherwise_is_still_followed(
    family: str, settings: dict[str, Any], visual_tokens: int, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folder_of(family), tmp_path / "model"))
    changed(folder, "preprocessor_config.json", **settings)
    if "image_grid_pinpoints" in settings:
        changed(folder, "config.json", **settings)
    vlm, oracle = load(str(folder)), Stock(str(folder))
    messages, images = question("where is the dog?", 1), [picture(0, 40, 90)]
    prompt, inputs = vlm.prepare(messages, images), oracle.inputs(messages, images)
    assert prompt.visual_tokens == (visual_tokens,)
    assert prompt.ids == tuple(inputs["input_ids"][0].tolist())
    _, rows = prefill(vlm, prompt, vlm.see(prompt))
    assert int(rows.argmax()) == oracle.answer(inputs, 1)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_that_spells_a_picture_is_read_as_text(family: str) -> None:
    vlm = model_called(family)
    assert isinstance(vlm, HubVlm)
    for spelled in {vlm._family.mark, vlm._family.image}:
        prompt = vlm.prepare(question(f"what is {spelled} here?", 1), [picture(0)])
        assert prompt.ids.count(vlm._family.image_id) == sum(prompt.visual_tokens)
        assert f"what is {spelled} here?" in vlm.tokenizer.decode(prompt.ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_in_bfloat16(family: str) -> None:
    vlm = load(str(folder_of(family)), dtype="bfloat16")
    prompt, visual = seen(vlm, [picture(0)])
    decoder, rows = prefill(vlm, prompt, visual, kept=[0, 1])
    assert visual.features.dtype == vlm.embed([40]).dtype == torch.bfloat16
    assert rows.dtype == extend(vlm, decoder, ANSWER).dtype == torch.float32
    assert rows.isfinite().all()


def test_a_vision_tower_that_gives_another_number_of_tokens_is_refused(tmp_path: Path) -> None:
    """A model folder is a stranger's: it must not end in an answer about half a picture."""
    folder = Path(shutil.copytree(folder_of("internvl"), tmp_path / "model"))
    changed(folder, "preprocessor_config.json", size={"height": 64, "width": 64})
    vlm = load(str(folder))
    prompt = vlm.prepare(question("what?", 1), [picture(0)])
    with pytest.raises((ModelError, ValueError, RuntimeError)):
        vlm.see(prompt)


def test_a_cap_that_the_stock_model_does_not_apply_is_not_applied() -> None:
    """Gemma 3 says `final_logit_softcapping` for the model without pictures."""
    vlm = model_called("gemma3")
    prompt, visual = seen(vlm, [picture(0)])
    cap = json.loads((folder_of("gemma3") / "config.json").read_text())["text_config"]["final_logit_softcapping"]
    assert prefill(vlm, prompt, visual, ids=ANSWER)[1].abs().max() > cap


def test_embeddings_of_text_are_scaled_and_features_are_not() -> None:
    """So that the stock rows would be missed: Gemma 3 multiplies by the root of its hidden size."""
    vlm = model_called("gemma3")
    prompt, visual = seen(vlm, [picture(0)])
    _, rows = prefill(vlm, prompt, visual)
    _, scaled = prefill(vlm, prompt, VisualTokens(visual.features * visual.features.shape[1] ** 0.5, visual.extras))
    assert (rows - scaled).abs().max() > 0.01
