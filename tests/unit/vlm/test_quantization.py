"""What quantisation needs is said by name, before any weight is read."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from shared.errors import InvalidValue
from shared.vlm.load import load
from shared.vlm.quantization import METHODS, loading
from shared.vlm.single import prefill
from tests.support.tiny_qwen import question, tiny_folder

HAS_TORCHAO = all(find_spec(name) for name in ("torchao", "accelerate"))


def asked(method: str, config: dict[str, object]) -> dict[str, object]:
    return loading(method, config, torch.float32, "cpu")


def test_no_word_and_full_weights_are_loaded_as_they_are() -> None:
    assert asked("", {}) == {}


def test_weights_that_come_quantised_need_no_word_and_may_have_their_own() -> None:
    config: dict[str, object] = {"quantization_config": {"quant_method": "awq"}}
    assert asked("", config) == asked("awq", config) == {"device_map": {"": "cpu"}}
    with pytest.raises(InvalidValue, match="these weights come quantised as awq: leave it out"):
        asked("torchao", config)


def test_a_method_that_full_weights_cannot_be_quantised_by_is_refused_by_name() -> None:
    with pytest.raises(InvalidValue, match=r"quantization is 'gptq': .*bitsandbytes_4bit.*torchao"):
        asked("gptq", {})


def test_a_method_whose_package_is_not_here_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.vlm.quantization.find_spec", lambda name: None)
    for method, needs in METHODS.items():
        with pytest.raises(InvalidValue, match=f"pip install {' '.join(needs.packages)}"):
            asked(method, {})


def test_the_folder_is_asked_before_its_weights_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(InvalidValue, match="come quantised as gptq"):
        load(str(folder), quantization="torchao")


@pytest.mark.skipif(not HAS_TORCHAO, reason="torchao and accelerate are not installed")
def test_a_quantised_model_runs() -> None:
    vlm = load(str(tiny_folder()), quantization="torchao")
    prompt = vlm.prepare(question("what is it?"), ())
    _, rows = prefill(vlm, prompt, vlm.see(prompt))
    assert torch.isfinite(rows).all()
