"""Our penalties, bias and masks against transformers' own processors, and their order against a plain rendering."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from shared.speculation.coupled import Chooser
from shared.speculation.noise import SPAN, gumbel
from shared.speculation.request import SamplingParameters

QUICK = settings(derandomize=True, deadline=None, max_examples=150)
ROWS = 80

texts = st.lists(st.integers(0, ROWS - 1), max_size=12)
biases = st.dictionaries(st.integers(0, ROWS - 1), st.floats(-20, 20, width=32), max_size=4)
penalties = st.fixed_dictionaries(
    {
        "repetition_penalty": st.sampled_from([1.0]) | st.floats(0.5, 3),
        "frequency_penalty": st.sampled_from([0.0]) | st.floats(-2, 2),
        "presence_penalty": st.sampled_from([0.0]) | st.floats(-2, 2),
    }
)
masks = st.fixed_dictionaries(
    {
        "temperature": st.floats(0.1, 5),
        "min_p": st.sampled_from([0.0]) | st.floats(0, 0.5),
        "top_k": st.sampled_from([0]) | st.integers(1, ROWS + 10),
        "top_p": st.sampled_from([1.0]) | st.floats(0.05, 1),
    }
)


def random_row(seed: int) -> torch.Tensor:
    """A row without ties."""
    generator = torch.Generator().manual_seed(seed)
    row = torch.randn(ROWS, generator=generator) * 4
    assert len(set(row.tolist())) == ROWS
    return row


rows = st.integers(0, 10_000).map(random_row)


def ours(
    row: torch.Tensor, parameters: SamplingParameters, prompt: list[int] | None = None, text: list[int] | None = None
) -> dict[int, float]:
    """id -> processed logit, for the ids that can win: the scores without their noise."""
    text = text or []
    ids, scores = Chooser(parameters, prompt or []).scores(row, text)
    if parameters.temperature:
        scores = scores - parameters.temperature * gumbel(parameters.seed, len(text), ids)
    return dict(zip(ids.tolist(), scores.tolist(), strict=True))


def theirs(row: torch.Tensor, temperature: float, ids: list[int], *processors: LogitsProcessor) -> dict[int, float]:
    """The same of transformers, in float64. `ids`: prompt and text; the processors end with logit / temperature."""
    seen = torch.tensor([ids], dtype=torch.int64)
    processed = LogitsProcessorList(processors)(seen, row.double()[None])[0] * (temperature or 1)
    reach = SPAN * temperature if temperature else math.inf
    lowest = float(processed.max()) - reach
    return {i: v for i, v in enumerate(processed.tolist()) if v > -math.inf and v >= lowest}


def plain(row: list[float], p: SamplingParameters, prompt: list[int], text: list[int]) -> dict[int, float]:
    """The named order, one step after the other, on dictionaries: bias, repetition, frequency, presence, masks."""
    logits = dict(enumerate(row))
    for token, bias in p.logit_bias:
        logits[token] += bias
    for token in {*prompt, *text}:
        logits[token] = (
            logits[token] / p.repetition_penalty if logits[token] > 0 else logits[token] * p.repetition_penalty
        )
    for token in text:
        logits[token] -= p.frequency_penalty
    for token in set(text):
        logits[token] -= p.presence_penalty
    best = max(logits.values())
    weight = {token: math.exp((logit - best) / p.temperature) for token, logit in logits.items()}
    order = sorted((token for token in logits if weight[token] >= p.min_p), key=lambda token: (-logits[token], token))
    order = order[: p.top_k or None]
    total, reached, kept = math.fsum(weight[token] for token in order), 0.0, []
    for token in order:
        if reached >= p.top_p * total and p.top_p < 1:
            break
        kept.append(token)
        reached += weight[token]
    return {token: logits[token] for token in sorted(kept) if logits[token] >= best - SPAN * p.temperature}


def check(left: dict[int, float], right: dict[int, float]) -> None:
    assert list(left) == list(right)
    assert list(left.values()) == pytest.approx(list(right.values()), rel=1e-12, abs=1e-12)


@QUICK
@given(rows, st.floats(0.1, 5), st.integers(1, ROWS))
def test_top_k_keeps_what_transformers_keeps(row: torch.Tensor, temperature: float, top_k: int) -> None:
    parameters = SamplingParameters(9, temperature=temperature, top_k=top_k)
    expected = theirs(row, temperature, [], TemperatureLogitsWarper(temperature), TopKLogitsWarper(top_k))
    check(ours(row, parameters), expected)


@QUICK
@given(rows, st.floats(0.1, 5), st.floats(0.01, 0.999))
def test_top_p_keeps_what_transformers_keeps(row: torch.Tensor, temperature: float, top_p: float) -> None:
    parameters = SamplingParameters(9, temperature=temperature, top_p=top_p)
    expected = theirs(row, temperature, [], TemperatureLogitsWarper(temperature), TopPLogitsWarper(top_p))
    check(ours(row, parameters), expected)


@QUICK
@given(rows, st.floats(0.1, 5), st.floats(0, 1))
def test_min_p_keeps_what_transformers_keeps(row: torch.Tensor, temperature: float, min_p: float) -> None:
    parameters = SamplingParameters(9, temperature=temperature, min_p=min_p)
    expected = theirs(row, temperature, [], TemperatureLogitsWarper(temperature), MinPLogitsWarper(min_p))
    check(ours(row, parameters), expected)


@QUICK
@given(rows, texts, texts, st.floats(0.5, 3))
def test_the_repetition_penalty_is_that_of_transformers_and_counts_the_prompt(
    row: torch.Tensor, prompt: list[int], text: list[int], penalty: float
) -> None:
    parameters = SamplingParameters(9, repetition_penalty=penalty)
    check(ours(row, parameters, prompt, text), theirs(row, 0, prompt + text, RepetitionPenaltyLogitsProcessor(penalty)))


@QUICK
@given(rows, biases.filter(bool))
def test_a_bias_is_that_of_transformers(row: torch.Tensor, bias: dict[int, float]) -> None:
    processor = SequenceBiasLogitsProcessor([[[token], value] for token, value in bias.items()])
    check(ours(row, SamplingParameters(9, logit_bias=tuple(bias.items()))), theirs(row, 0, [0], processor))


@QUICK
@given(rows, texts, texts, st.floats(-2, 2), st.floats(-2, 2))
def test_frequency_and_presence_count_the_text_and_not_the_prompt(
    row: torch.Tensor, prompt: list[int], text: list[int], frequency: float, presence: float
) -> None:
    parameters = SamplingParameters(9, frequency_penalty=frequency, presence_penalty=presence)
    counts = np.array([text.count(token) for token in range(ROWS)])
    expected = row.double().numpy() - frequency * counts - presence * (counts > 0)
    check(ours(row, parameters, prompt, text), dict(enumerate(expected.tolist())))


@pytest.mark.parametrize("occurrences", [0, 1, 2, 3, 4, 5, 16, 17, 255, 256, 5000])
def test_every_occurrence_counts_for_frequency_and_one_for_presence(occurrences: int) -> None:
    row, text = torch.linspace(-1, 1, ROWS), [3, *[7] * occurrences, 3]
    for name, weighed in (
        ("frequency_penalty", {3: 2, 7: occurrences}),
        ("presence_penalty", {3: 1, 7: min(1, occurrences)}),
    ):
        for penalty in (0.25, -2.0):
            expected = row.double().numpy().copy()
            for token, times in weighed.items():
                expected[token] -= penalty * times
            parameters = SamplingParameters(9, **{name: penalty})  # type: ignore[arg-type]
            check(ours(row, parameters, [7, 7], text), dict(enumerate(expected.tolist())))


@QUICK
@given(rows, texts, texts, biases, penalties, masks)
def test_all_of_them_together_follow_the_named_order(
    row: torch.Tensor,
    prompt: list[int],
    text: list[int],
    bias: dict[int, float],
    penalty: dict[str, float],
    mask: dict[str, float],
) -> None:
    parameters = SamplingParameters(9, logit_bias=tuple(bias.items()), **penalty, **mask)  # type: ignore[arg-type]
    check(ours(row, parameters, prompt, text), plain(row.tolist(), parameters, prompt, text))


@QUICK
@given(rows, texts.filter(bool), biases.filter(bool), masks)
def test_all_of_them_together_are_transformers_in_that_order(
    row: torch.Tensor, text: list[int], bias: dict[int, float], mask: dict[str, float]
) -> None:
    temperature = mask["temperature"]
    parameters = SamplingParameters(
        9,
        repetition_penalty=1.3,
        logit_bias=tuple(bias.items()),
        **mask,  # type: ignore[arg-type]
    )
    processors = [
        SequenceBiasLogitsProcessor([[[token], value] for token, value in bias.items()]),
        RepetitionPenaltyLogitsProcessor(1.3),
        TemperatureLogitsWarper(temperature),
        MinPLogitsWarper(mask["min_p"]),
        *([TopKLogitsWarper(parameters.top_k)] if parameters.top_k else []),
        *([TopPLogitsWarper(parameters.top_p)] if parameters.top_p < 1 else []),
    ]
    check(ours(row, parameters, [], text), theirs(row, temperature, text, *processors))


def law(logits: list[float], **parameters: object) -> list[int]:
    return list(ours(torch.tensor(logits), SamplingParameters(9, temperature=1.0, **parameters)))  # type: ignore[arg-type]


def test_top_p_is_taken_of_what_min_p_and_top_k_left() -> None:
    logits = np.log([0.4, 0.3, 0.2, 0.1]).tolist()
    assert law(logits, top_p=0.75) == [0, 1, 2]
    assert law(logits, top_p=0.75, top_k=3) == [0, 1]  # 0.7 of 0.9 is more than 0.75
    assert law(logits, top_p=0.55) == [0, 1]
    assert law(logits, top_p=0.55, top_k=2) == [0]  # 0.4 of 0.7 is more than 0.55
    assert law(logits, top_p=0.55, min_p=0.6) == [0]


def test_the_temperature_comes_before_the_masks_and_the_penalties_before_the_temperature() -> None:
    logits = np.log([0.4, 0.3, 0.2, 0.1]).tolist()
    hot = SamplingParameters(9, temperature=30.0, min_p=0.5)
    assert list(ours(torch.tensor(logits), hot)) == [0, 1, 2, 3]
    punished = SamplingParameters(9, temperature=0.01, presence_penalty=0.1)
    assert ours(torch.tensor([1.0, 0.95]), punished, [], [0]) == pytest.approx({0: 0.9, 1: 0.95})
