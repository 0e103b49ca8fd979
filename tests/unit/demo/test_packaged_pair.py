"""The packaged pair through stock classes alone, without the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, Qwen3VLForConditionalGeneration

from shared.demo.pair import draft_folder, packaged_samples, samples, target_folder
from training.reader import Reader

FOLDERS = {"target": target_folder(), "draft": draft_folder()}
LIMIT = 25_000_000  # bytes of both models together


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_both_models_stay_small() -> None:
    assert sum((folder / "model.safetensors").stat().st_size for folder in FOLDERS.values()) < LIMIT


def test_the_two_share_one_vocabulary() -> None:
    target, draft = (json.loads((folder / "tokenizer.json").read_text("utf-8")) for folder in FOLDERS.values())
    assert target == draft


def test_the_samples_are_there() -> None:
    assert len(samples()) >= 5
    for picture, question in samples():
        assert picture.is_file()
        assert question


def answer(folder: Path, picture: Path, question: str) -> str:
    """One greedy answer, the way a stranger would ask for it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
    text = tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    with Image.open(picture) as opened:
        seen = processor(images=[opened.convert("RGB")], return_tensors="pt")
    count = int(seen["image_grid_thw"].prod()) // processor.merge_size**2
    ids = tokenizer(text.replace("<|image_pad|>", "<|image_pad|>" * count), return_tensors="pt")["input_ids"]
    kinds = (ids == model.config.image_token_id).int()
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds, max_new_tokens=320, **seen
    )
    assert int(out[0, -1]) in model.generation_config.eos_token_id
    return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_packaged_models_answer_a_sample(name: str) -> None:
    sample = packaged_samples()[0]
    assert answer(FOLDERS[name], sample.picture, sample.question).strip()


@pytest.mark.parametrize("number", range(len(packaged_samples())))
def test_the_target_is_right_about_every_sample(number: int) -> None:
    sample = packaged_samples()[number]
    assert answer(FOLDERS["target"], sample.picture, sample.question) == sample.answer


@pytest.mark.parametrize("name", FOLDERS)
def test_measuring_finds_the_answer_that_stock_generation_gives(name: str) -> None:
    reader = Reader(FOLDERS[name])
    for sample in packaged_samples()[:3]:
        with Image.open(sample.picture) as opened:
            view = reader.look(opened.convert("RGB"))
        stock = answer(FOLDERS[name], sample.picture, sample.question)
        assert reader.text(reader.answer(view, sample.question)) == stock
        said, right = reader.greedy(view, sample.question, sample.answer)
        assert (reader.text(said), right) == (stock, stock == sample.answer)
        said, right = reader.greedy(view, sample.question, "There is nothing.")
        assert (reader.text(said), right) == (stock, stock == "There is nothing.")


def test_some_samples_are_large_and_one_answer_is_long() -> None:
    tokenizer = AutoTokenizer.from_pretrained(target_folder())
    processor = AutoImageProcessor.from_pretrained(target_folder(), backend="pil")
    grids = []
    for sample in packaged_samples():
        with Image.open(sample.picture) as opened:
            grids.append(int(processor(images=[opened.convert("RGB")])["image_grid_thw"].prod()) // 4)
    assert sum(256 <= count <= 576 for count in grids) >= 3
    assert max(len(tokenizer.encode(sample.answer)) for sample in packaged_samples()) >= 200
