"""A generation config is obeyed as stock `generate()` obeys it, or refused: every field that transformers knows."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, Qwen3VLForConditionalGeneration

from shared.errors import ModelError
from shared.speculation.request import ModelDefaults, SamplingParameters, SamplingWish, resolve
from shared.vlm.generation import HARMLESS, HONOURED, REFUSED, REFUSED_SAMPLING, model_defaults
from shared.vlm.load import load
from tests.support.system import alone, asked
from tests.support.tiny_qwen import ROWS, question, tiny_folder

KNOWN = frozenset(vars(GenerationConfig()))
HARMLESS_VALUES: Mapping[str, Any] = {  # such as are set; what is not here is set to 3
    "cache_implementation": "dynamic",
    "cache_config": {},
    "compile_config": None,
    "continuous_batching_config": None,
    "_from_model_config": True,
    "assistant_ensemble_weight": 0.5,
    "num_assistant_tokens_schedule": "constant",
    "num_return_sequences": 1,  # several are several texts
    "pad_token_id": 7,
    "speculation_type": None,  # of a draft that is given to generate()
    "prompt_lookup_num_tokens": None,
    "max_length": 400,
    "use_cache": False,
    "early_stopping": True,
    "transformers_version": "4.0.0",
    "use_mtp": False,
    "assistant_early_exit": None,
    "output_attentions": False,  # needs another attention
    "prefill_chunk_size": None,
}
REFUSED_VALUES: Mapping[str, Any] = {
    "begin_suppress_tokens": [5],
    "constraints": ["x"],
    "dola_layers": "low",
    "encoder_no_repeat_ngram_size": 2,
    "encoder_repetition_penalty": 1.2,
    "epsilon_cutoff": 0.1,
    "eta_cutoff": 0.1,
    "exponential_decay_length_penalty": [3, 1.5],
    "force_words_ids": [[3]],
    "forced_bos_token_id": 3,
    "forced_eos_token_id": 3,
    "guidance_scale": 2.0,
    "is_assistant": True,
    "max_time": 1.0,
    "min_length": 30,
    "min_new_tokens": 30,
    "no_repeat_ngram_size": 2,
    "num_beam_groups": 2,
    "num_beams": 4,
    "penalty_alpha": 0.6,
    "sequence_bias": {"[3]": 5.0},
    "stop_strings": ["a"],
    "token_healing": True,
    "top_h": 0.4,
    "typical_p": 0.9,
    "watermarking_config": {"bias": 2.0},
}


def defaults(**fields: Any) -> ModelDefaults:
    return model_defaults("m", fields, 7, ROWS)


def resolved(**fields: Any) -> SamplingParameters:
    """What holds for an answer if a person says nothing."""
    return resolve(SamplingWish(), defaults(**fields), room=9, seed=0)


def with_config(folder: Path, fields: Mapping[str, Any] | str) -> str:
    """A copy of the tiny model with this generation config."""
    shutil.copytree(tiny_folder(), folder, dirs_exist_ok=True)
    (folder / "generation_config.json").write_text(fields if isinstance(fields, str) else json.dumps(fields))
    return str(folder)


def test_every_field_that_transformers_knows_is_sorted() -> None:
    """A new version that brings another is met here."""
    sorts = (HONOURED, HARMLESS, frozenset(REFUSED), frozenset(REFUSED_SAMPLING))
    assert frozenset().union(*sorts) >= KNOWN
    assert sum(map(len, sorts)) == len(frozenset().union(*sorts))
    assert set(REFUSED_VALUES) == {*REFUSED, *REFUSED_SAMPLING}


@pytest.mark.parametrize("field", sorted(REFUSED_VALUES))
def test_what_would_change_the_text_otherwise_is_refused_by_name(field: str) -> None:
    with pytest.raises(ModelError, match=rf"m: its generation config says {field} is .*generate\(\)"):
        defaults(do_sample=True, **{field: REFUSED_VALUES[field]})


@pytest.mark.parametrize("field", sorted(REFUSED_VALUES))
def test_what_changes_nothing_is_taken(field: str) -> None:
    """None, what transformers holds a field to be that nobody sets, and sampling in a model that does not."""
    assert defaults(**{field: None}) == defaults()
    assert defaults(**{field: GenerationConfig._get_default_generation_params().get(field)}) == defaults()
    if field in REFUSED_SAMPLING:
        assert defaults(**{field: REFUSED_VALUES[field]}) == defaults()


@pytest.fixture(scope="module")
def stock() -> Any:
    return Qwen3VLForConditionalGeneration.from_pretrained(tiny_folder()).eval()


def said(model: Any, **fields: Any) -> list[int]:
    """Twelve tokens of stock `generate()`, or fewer if it ends, by a config of these fields."""
    ids = torch.tensor([load_prompt()])
    ends = model.generation_config.eos_token_id
    config = GenerationConfig(**{"eos_token_id": ends, "pad_token_id": ends[0], "max_new_tokens": 12, **fields})
    text = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    text = text if isinstance(text, torch.Tensor) else text.sequences
    return [int(token) for token in text[0, ids.shape[1] :]]


def load_prompt() -> list[int]:
    return list(load(str(tiny_folder())).prepare(question("what is it?"), ()).ids)


@pytest.mark.filterwarnings("ignore")
def test_what_is_called_harmless_changes_no_text_of_stock_generate(stock: Any) -> None:
    plain = said(stock)
    assert len(plain) == 12
    fields = sorted(HARMLESS & KNOWN)
    for group in (fields[0::3], fields[1::3], fields[2::3]):  # one by one takes long
        assert said(stock, **{field: HARMLESS_VALUES.get(field, 3) for field in group}) == plain, group
    assert said(stock, chat_format="chatml", max_window_size=6144) == plain  # of other programs
    assert defaults(chat_format="chatml", max_window_size=6144, **dict.fromkeys(HARMLESS, "whatever")) == defaults()


@pytest.mark.filterwarnings("ignore")
def test_what_is_honoured_is_what_stock_generate_says(stock: Any, tmp_path: Path) -> None:
    plain = said(stock)
    first, third = plain[0], plain[2]
    ends = stock.generation_config.eos_token_id
    cases: list[dict[str, Any]] = [
        {"suppress_tokens": [first, third, ROWS + 3, -1]},
        {"bad_words_ids": [[first], [ends[0]]]},
        {"suppress_tokens": [first], "bad_words_ids": [[third]], "repetition_penalty": 1.7},
        {"max_new_tokens": 5},
        {"eos_token_id": [third, ends[0]]},
        {"eos_token_id": third},
        {"do_sample": False, "temperature": 0.3, "top_k": 3, "typical_p": 0.5},
    ]
    for number, case in enumerate(cases):
        vlm = load(with_config(tmp_path / str(number), {"eos_token_id": ends, "max_new_tokens": 12, **case}))
        ours = alone(vlm, asked(), 0)
        assert list(ours) == said(stock, **case), case
        assert case.get("do_sample") is False or list(ours) != plain, case
        unsaid = resolve(SamplingWish(), vlm.info.defaults, room=50, seed=0)
        assert unsaid.max_tokens == case.get("max_new_tokens", 12)


def test_a_suppressed_token_is_never_said_at_any_temperature(tmp_path: Path) -> None:
    vlm = load(with_config(tmp_path / "m", {"suppress_tokens": list(range(0, ROWS, 2))}))
    for temperature in (0.0, 1.0, 50.0):
        for top_p in (1.0, 0.9):
            asking = asked(max_tokens=9, temperature=temperature, top_p=top_p, frequency_penalty=1)
            assert all(token % 2 for token in alone(vlm, asking, 3))


NUMBERS = [
    *(0, 1, -1, 2, 3, 5, 1e-9, 0.5, 1.0, 1.5, 50.0, 99.5, 101, -0.5, 1e9, 2**31, 1e30, 10**400),
    *(math.nan, math.inf, -math.inf, True, False, "", "0.7", "1", [], [1], {}, [[1]], [True], ["1"], [0.5]),
]


@pytest.mark.parametrize("field", sorted(HONOURED))
def test_whatever_a_field_says_the_model_is_refused_or_every_request_can_be_resolved(field: str) -> None:
    taken = 0
    for value in (*NUMBERS, [ROWS], [ROWS - 1], [-1], list(range(2000)), list(range(ROWS))):
        sentence = ""
        try:
            told = defaults(**{"do_sample": True, field: value})
        except ModelError as refused:
            sentence = str(refused)
        if sentence:
            assert f"says {field} is " in sentence
            assert len(sentence) < 300
            continue
        taken += 1
        holds = resolve(SamplingWish(), told, room=9, seed=0)
        resolve(holds.as_wish(), ModelDefaults(eos_ids=()), room=9, seed=0)  # and so can the device
        assert all(isinstance(token, int) and 0 <= token < ROWS for token in (*told.eos_ids, *told.suppressed_ids))
        assert len(told.eos_ids) <= 1024
    assert taken


def test_values_have_the_meaning_that_other_servers_give_them() -> None:
    for top_k in (-1, 0, None):
        assert resolved(do_sample=True, top_k=top_k).top_k == 0
    assert resolved(do_sample=True, top_k=20.0).top_k == 20
    assert resolved(do_sample=True, top_p=1).top_p == resolved(do_sample=True, top_p=1.5).top_p == 1.0
    assert resolved(do_sample=True, top_p=0).top_p == 1e-6
    assert resolved(do_sample=True, temperature=0).temperature == 0.0
    assert resolved(do_sample=True, temperature=1e-9).temperature == 1e-9
    assert resolved(max_new_tokens=4).max_tokens == 4
    assert resolved(max_new_tokens=400).max_tokens == 9
    assert resolved(eos_token_id=[]).eos_ids == ()


def test_a_model_that_samples_says_how() -> None:
    holds = resolved(do_sample=True, temperature=0.7, top_k=20, top_p=0.8, repetition_penalty=1.05, eos_token_id=[3, 4])
    assert (holds.temperature, holds.top_k, holds.top_p, holds.min_p) == (0.7, 20, 0.8, 0.0)
    assert holds.repetition_penalty == 1.05
    assert holds.eos_ids == (3, 4)


def test_a_model_that_samples_without_a_temperature_has_one() -> None:
    assert resolved(do_sample=True).temperature == 1.0


def test_a_model_that_does_not_sample_is_noiseless_but_keeps_its_penalty() -> None:
    for do_sample in (False, None):
        holds = resolved(do_sample=do_sample, temperature=0.7, top_k=20, top_p=0.8, repetition_penalty=1.05)
        assert (holds.temperature, holds.top_k, holds.top_p) == (0.0, 0, 1.0)
        assert holds.repetition_penalty == 1.05


def test_the_end_of_a_sequence_is_one_id_or_several_or_the_tokenizers() -> None:
    assert resolved(eos_token_id=3).eos_ids == (3,)
    assert resolved(eos_token_id=0).eos_ids == (0,)
    assert resolved().eos_ids == (7,)
    assert model_defaults("m", {}, None, ROWS).eos_ids == ()


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("{", r"generation_config\.json cannot be read"),
        ("[]", r"generation_config\.json is not a JSON object"),
        ('{"no_repeat_ngram_size": 3}', "says no_repeat_ngram_size is 3"),
        ('{"do_sample": true, "temperature": "hot"}', "says temperature is 'hot': must be a number"),
        ('{"eos_token_id": "<|im_end|>"}', "says eos_token_id is '<|im_end|>': must be an id from 0 to"),
        ('{"eos_token_id": 999}', "says eos_token_id is 999: must be an id from 0 to 383"),
    ],
)
def test_a_folder_with_such_a_config_is_refused_in_one_sentence(tmp_path: Path, config: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence.replace("|", r"\|")) as caught:
        load(with_config(tmp_path / "m", config))
    assert "weights" not in str(caught.value)


def test_a_model_without_a_generation_config_says_it_in_its_config(tmp_path: Path) -> None:
    """As those do that were saved before there was such a file."""
    folder = Path(with_config(tmp_path / "m", {}))
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"], config["suppress_tokens"] = 40, [9]
    (folder / "config.json").write_text(json.dumps(config))
    told = load(str(folder)).info.defaults
    assert (told.eos_ids, told.suppressed_ids) == ((40,), (9,))
