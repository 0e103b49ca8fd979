"""Sizes by shape are those of the models themselves, and the table of the docs is what the script says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.memory.__main__ import row
from benchmarks.memory.count import size_of
from benchmarks.memory.shapes import SHAPES
from shared.demo.pair import draft_folder, target_folder

DOCS = Path(__file__).parents[3] / "docs" / "models.md"


@pytest.mark.parametrize("folder", [draft_folder(), target_folder()], ids=["draft", "target"])
def test_a_size_by_shape_is_that_of_the_weights(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    size = size_of(config.pop("model_type"), config)
    stored = load_file(folder / "model.safetensors")
    assert size.weights == sum(tensor.numel() for tensor in stored.values())
    assert 0 < size.linear < size.weights
    text = config["text_config"]
    assert size.cache == 2 * text["num_hidden_layers"] * text["num_key_value_heads"] * text["head_dim"]


@pytest.mark.parametrize("name", ["Qwen/Qwen3-VL-2B-Instruct", "HuggingFaceTB/SmolVLM-256M-Instruct"])
def test_the_table_of_the_docs_is_what_the_script_says(name: str) -> None:
    assert row(name, size_of(*SHAPES[name])) in DOCS.read_text().splitlines()
    assert torch.get_default_device() == torch.device("cpu")
