"""What a folder must hold, and what is said of one that does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import InvalidValue, ModelError
from shared.vlm.hub_vlm import HubVlm
from shared.vlm.load import load
from shared.vlm.single import extend, prefill
from tests.support.tiny_qwen import picture, question, tiny_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny model's folder, to be damaged."""
    return Path(shutil.copytree(tiny_folder(), tmp_path / "model"))


def rewrite(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Apply `change` to the JSON object in `file`."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_a_model_is_ready_to_answer_and_never_to_learn(folder: Path) -> None:
    vlm = load(str(folder))
    assert isinstance(vlm, HubVlm)
    assert not vlm._model.training
    assert not any(p.requires_grad for p in vlm._model.parameters())
    assert vlm.info.name == "model"  # and nothing of the path to it


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_model_computes_in_the_type_asked_for(folder: Path, dtype: str) -> None:
    vlm = load(str(folder), dtype=dtype)
    prompt = vlm.prepare(question("what?", 1), [picture(0)])
    visual = vlm.see(prompt)
    assert visual.features.dtype == getattr(torch, dtype)
    decoder, rows = prefill(vlm, prompt, visual, kept=[0, 1])
    assert rows.dtype == extend(vlm, decoder, [40]).dtype == torch.float32
    assert rows.isfinite().all()


def test_loading_is_silent(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(str(folder))
    assert capfd.readouterr() == ("", "")


def test_the_images_and_the_toy_load_without_transformers() -> None:
    """A device with a toy, or an edge that checks a picture, pays nothing for a library it does not use."""
    code = "import sys, shared.vlm.load, shared.media.images as i; i.open_image; shared.vlm.load.load('toy:seed=1')"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'transformers' not in sys.modules"], check=True, timeout=120)


def test_an_older_chat_template_is_found(folder: Path) -> None:
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    expected = load(str(tiny_folder())).prepare(question("cat"), []).ids
    assert load(str(folder)).prepare(question("cat"), []).ids == expected


def remove(name: str) -> Callable[[Path], None]:
    """Damage: the file is missing."""
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], None]:
    """Damage: the file ends half way."""

    def damage(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return damage


def say(**entries: Any) -> Callable[[Path], None]:
    """Damage: the config says something else."""
    return lambda folder: rewrite(folder / "config.json", lambda config: config.update(entries))


def more_layers(folder: Path) -> None:
    """Damage: the config asks for weights that the folder lacks."""
    rewrite(folder / "config.json", lambda config: config["text_config"].update(num_hidden_layers=4))


def wider(folder: Path) -> None:
    """Damage: the config asks for weights of another shape."""
    rewrite(folder / "config.json", lambda config: config["text_config"].update(intermediate_size=99))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (remove("config.json"), "the folder has no config.json"),
        (cut("config.json"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "not a JSON object"),
        (lambda folder: (folder / "config.json").write_text("{}"), "names no model_type"),
        (say(model_type="llava"), "the family llava is not supported; supported are .*qwen3_vl"),
        (say(model_type="no_such_family"), "the family no_such_family is not supported"),
        (say(model_type="qwen3_5"), "qwen3_5 has recurrent or linear-attention layers"),
        (say(model_type="lfm2_vl"), "lfm2_vl has recurrent"),
        (say(text_config={"model_type": "qwen3_next"}), "qwen3_vl has recurrent"),  # a known family around it
        (say(model_type="new", text_config={"layer_types": ["linear_attention"]}), "new has recurrent"),
        (remove("model.safetensors"), "weights cannot be loaded"),
        (cut("model.safetensors"), "weights cannot be loaded"),
        (more_layers, "weights lack .* tensors, .*layers.3"),
        (wider, "9 tensors have another shape .*mlp"),
        (remove("tokenizer.json"), "no tokenizer"),
        (cut("tokenizer.json"), "no tokenizer that can be loaded"),
        (remove("chat_template.jinja"), "no chat template"),
        (remove("preprocessor_config.json"), "no image processor"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_one_sentence(
    folder: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=sentence) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(folder))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", "~/models"])
def test_a_folder_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        load(name)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "nobody/other.model_2"])
def test_a_name_that_the_hub_does_not_give_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="neither a folder here nor a model that the hub") as caught:
        load(name)
    assert "\n" not in str(caught.value)


def test_a_type_or_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"dtype is 'float8'.*float32, bfloat16, float16"):
        load(str(tiny_folder()), dtype="float8")
    for device in ("cuda:99", "toaster"):
        with pytest.raises(InvalidValue, match=f"device is '{device}'"):
            load(str(tiny_folder()), device=device)


NO_SIZES: list[object] = [0, -1, None, "x", 1.5]
NO_PATCHES: list[object] = [0, [], {}]
NO_MEANS: list[object] = [None, "x", []]
NO_LENGTHS: list[object] = [0, -1, 1, 4, None, "x", 9.5]


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        *(("preprocessor_config.json", ("merge_size",), value) for value in NO_SIZES),
        *(("preprocessor_config.json", ("patch_size",), value) for value in NO_PATCHES),
        *(("preprocessor_config.json", ("image_mean",), value) for value in NO_MEANS),
        ("preprocessor_config.json", ("rescale_factor",), "x"),
        ("preprocessor_config.json", ("resample",), 99),
        ("preprocessor_config.json", ("size", "longest_edge"), -1),
        *(("config.json", ("text_config", "max_position_embeddings"), value) for value in NO_LENGTHS),
    ],
)
def test_a_model_that_could_answer_no_question_about_a_picture_is_refused_at_load(
    folder: Path, file: str, path: tuple[str, ...], value: object
) -> None:
    """An edge that is ready refuses no request for what its own files say."""

    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    rewrite(folder / file, change)
    with pytest.raises(ModelError, match="model: ") as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
