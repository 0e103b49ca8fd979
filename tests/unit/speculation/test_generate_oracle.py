"""A whole answer of a stock transformers model, noised by one processor, is the answer of our own loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

from shared.speculation.coupled import Chooser
from shared.speculation.request import SamplingParameters

ROWS = 64
LENGTH = 40
PROMPT = (5, 17, 17, 40, 3)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=ROWS,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=None,  # generate would take it where our config says None
        initializer_range=0.3,  # far from uniform: some ids are likely, many are not
    )
    return LlamaForCausalLM(config).eval()


class OurScores(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """A row becomes our noised scores; ids that cannot win become -inf."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        ids, noised = self._chooser.scores(scores[0], input_ids[0, len(PROMPT) :].tolist())
        row = torch.full(scores.shape, -torch.inf, dtype=torch.float64)
        row[0, torch.from_numpy(ids)] = torch.from_numpy(noised)
        return row


def stock(model: Any, parameters: SamplingParameters) -> list[int]:
    """What `generate` says: its cache, its loop, its end."""
    config = GenerationConfig(
        do_sample=False, max_new_tokens=LENGTH, eos_token_id=list(parameters.end_ids) or None, pad_token_id=0
    )
    processors = LogitsProcessorList([OurScores(Chooser(parameters, PROMPT))])
    ids = torch.tensor([PROMPT])
    said = model.generate(
        ids, attention_mask=torch.ones_like(ids), generation_config=config, logits_processor=processors
    )
    return said[0, len(PROMPT) :].tolist()  # type: ignore[no-any-return]


def rows_after(model: Any, text: Sequence[int], count: int) -> torch.Tensor:
    """The last `count` rows of one forward over prompt and text, without a cache."""
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([[*PROMPT, *text]]), use_cache=False).logits
    return logits[0, -count:]


def ours(model: Any, parameters: SamplingParameters) -> list[int]:
    chooser = Chooser(parameters, PROMPT)
    text: list[int] = []
    while len(text) < LENGTH and not (text and text[-1] in parameters.end_ids):
        text.append(chooser.choose(rows_after(model, text, 1)[0], text))
    return text


CASES: list[dict[str, Any]] = [
    {},
    {"temperature": 1.0, "top_p": 0.9},
    {"temperature": 0.7, "top_k": 5, "min_p": 0.02},
    {"repetition_penalty": 1.3, "frequency_penalty": 0.3},
    {"temperature": 1.5, "top_p": 0.95, "presence_penalty": 1.0, "logit_bias": ((9, 3.0),)},
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 2**40 + 1])
def test_generate_with_our_scores_says_what_our_loop_says(model: Any, case: dict[str, Any], seed: int) -> None:
    parameters = SamplingParameters(LENGTH, seed=seed, **case)
    text = ours(model, parameters)
    assert len(text) == LENGTH
    assert stock(model, parameters) == text


@pytest.mark.parametrize("case", CASES)
def test_our_loop_in_blocks_says_the_same(model: Any, case: dict[str, Any]) -> None:
    """The proposals: mostly the answer itself, now and then something else."""
    parameters = SamplingParameters(LENGTH, seed=1, **case)
    chooser, truth, other = Chooser(parameters, PROMPT), ours(model, parameters), list(range(LENGTH))
    text: list[int] = []
    while len(text) < LENGTH:
        pending = (truth if len(text) % 3 else other)[len(text) : len(text) + 4]
        text += chooser.verify(rows_after(model, [*text, *pending], len(pending) + 1), pending, text)
    assert text[:LENGTH] == truth


def test_generate_ends_where_our_loop_ends(model: Any) -> None:
    whole = ours(model, SamplingParameters(LENGTH, seed=4, temperature=1.0))
    end, unsaid = whole[12], next(token for token in range(ROWS) if token not in whole)
    parameters = SamplingParameters(LENGTH, seed=4, temperature=1.0, eos_ids=(unsaid,), stop_ids=(end,))
    assert ours(model, parameters) == stock(model, parameters) == whole[: whole.index(end) + 1]


def test_the_cases_say_different_things(model: Any) -> None:
    """Else the other tests would show little: neither noise nor penalties nor seeds are idle here."""
    texts = {tuple(ours(model, SamplingParameters(LENGTH, seed=seed, **case))) for case in CASES for seed in (0, 1)}
    assert len(texts) == 2 * len(CASES) - 2  # two cases have no noise
    assert all(len(set(text)) > 3 for text in texts)
