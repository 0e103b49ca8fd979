"""The script of `make test-real`, on a tiny language model in place of the one it downloads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.real_weights import formats
from benchmarks.real_weights.__main__ import LEAST_AGREEMENT, judged
from benchmarks.real_weights.answers import Asked
from benchmarks.real_weights.build import END, SPECIALS, TEMPLATE, save
from shared.vlm.load import load
from shared.vlm.single import prefill
from tests.support.tiny_configs import Recipe
from tests.support.tiny_families import make_tokenizer

TEXTS = ("where is the cat?", "describe the image")


@pytest.fixture(scope="module")
def language() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"hidden_size": 48, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
        config = LlamaConfig(
            vocab_size=322, num_hidden_layers=4, initializer_range=0.3, tie_word_embeddings=True, **sizes
        )
        return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def folder(language: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Layers 0, 1 and 3 of it under a vision tower."""
    into = tmp_path_factory.mktemp("real")
    recipe = Recipe("", lambda _: None, None, ("<|im_start|>", END, *SPECIALS), TEMPLATE, END)
    save(language, make_tokenizer(recipe), (0, 1, 3), into)
    return into


def test_the_language_is_the_trained_one_without_the_layers_left_out(language: Any, folder: Path) -> None:
    vlm = load(str(folder))
    (prompt,) = formats.prompts(vlm, TEXTS[:1])
    _, rows = prefill(vlm, prompt, vlm.see(prompt))
    shorter = copy.deepcopy(language)
    del shorter.model.layers[2]
    with torch.inference_mode():
        true = shorter(torch.tensor([prompt.ids]), use_cache=False).logits[0, -1]
    torch.testing.assert_close(rows[-1, : len(true)], true, rtol=1e-4, atol=1e-4)


def test_a_format_is_compared_with_the_text_of_float32(folder: Path) -> None:
    vlm = load(str(folder))
    reference = formats.greedy(vlm, TEXTS, 6)
    same = formats.measured("float32", vlm, TEXTS, reference)
    assert (same.forced, same.free) == (1.0, 1.0)
    assert set(same.step_ms) == set(formats.WIDTHS)
    (one, *rest), other = reference[0], reference[1]
    wrong = formats.measured("float32", vlm, TEXTS, [[one + 1, *rest], other])
    assert wrong.forced < 1.0
    assert wrong.free == 0.5  # the first of two texts differs from its beginning
    assert set(formats.choosing_ms(vlm, TEXTS[0])) == {0.0, 0.8}


def test_a_law_that_fails_is_told() -> None:
    good = Asked("a", same=2, answers=2, drafted=9, accepted=4, rejected=3, up=1.0, down=2.0, kinds="")
    assert list(judged([good])) == []
    bad = Asked("b", same=1, answers=2, drafted=9, accepted=0, rejected=0, up=1.0, down=2.0, kinds="")
    assert [sentence.split(":")[0] for sentence in judged([bad])] == [
        "1 of 2 texts differ",
        "no draft token was accepted",
        "no draft token was rejected",
    ]
    assert 0.9 < LEAST_AGREEMENT < 1
