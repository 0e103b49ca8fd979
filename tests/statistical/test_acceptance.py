"""How often a draft's proposal stands under the coupled rule, and that the text does not depend on it.

The bound (1 - TV) / (1 + TV), with TV the total variation distance of the two laws, is that of Gumbel sampling with
shared noise: Daliri, Musco, Suresh, "Coupling without Communication and Drafter-Invariant Speculative Decoding".
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from shared.speculation.coupled import Chooser
from shared.speculation.ending import Ending
from shared.speculation.request import Message, SamplingParameters, Text
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill
from shared.vlm.toy import ToyVlm

ROWS = 30
DRAWS = 2000
ERROR = 3.1 * math.sqrt(0.25 / DRAWS)  # 999 of 1000 sets of seeds are closer than this


def pair(seed: int, perturbation: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A row of a target, and one of a draft that errs by so many nats."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(ROWS, generator=generator) * 2
    return target, target + perturbation * torch.randn(ROWS, generator=generator)


def total_variation(target: torch.Tensor, draft: torch.Tensor, temperature: float) -> float:
    laws = [(row.double() / temperature).softmax(-1) for row in (target, draft)]
    return float((laws[0] - laws[1]).abs().sum() / 2)


def agreement(target: torch.Tensor, draft: torch.Tensor, temperature: float, drafts_seed: int = 0) -> float:
    """The share of seeds with which both rows choose alike. drafts_seed: another noise for the draft."""

    def choose(row: torch.Tensor, seed: int) -> int:
        return Chooser(SamplingParameters(9, seed=seed, temperature=temperature), ()).choose(row, [0] * 3)

    return float(np.mean([choose(target, seed) == choose(draft, seed + drafts_seed) for seed in range(DRAWS)]))


@pytest.mark.parametrize("perturbation", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("temperature", [0.6, 1.0])
def test_a_proposal_stands_as_often_as_shared_noise_promises(perturbation: float, temperature: float) -> None:
    target, draft = pair(1, perturbation)
    distance = total_variation(target, draft, temperature)
    share = agreement(target, draft, temperature)
    assert (1 - distance) / (1 + distance) - ERROR <= share <= 1 - distance + ERROR
    assert perturbation or share == 1


def test_without_shared_noise_it_would_stand_far_less() -> None:
    target, draft = pair(1, 0.3)
    distance = total_variation(target, draft, 1.0)
    assert agreement(target, draft, 1.0, drafts_seed=10**6) < (1 - distance) / (1 + distance) - 5 * ERROR


def answer(target: Vlm, draft: Vlm | None, parameters: SamplingParameters, window: int) -> tuple[list[int], int]:
    """The target's answer with a draft ahead of it, and how many steps it took."""
    prompt = target.prepare((Message("user", (Text("what is the law of this?"),)),), ())
    chooser, ending = Chooser(parameters, prompt.ids), Ending(parameters, target.tokenizer.decode)
    text: list[int] = []
    decoder, rows = prefill(target, prompt, target.see(prompt))
    steps = 0
    while True:
        pending = propose(draft, chooser, text, window) if draft else []
        if pending:
            rows = torch.cat([rows[-1:], extend(target, decoder, pending)])
        steps += 1
        said = chooser.verify(rows[-1 - len(pending) :], pending, text)
        for token in said:
            text.append(token)
            if ending.push(token):
                return text, steps
        decoder.truncate(len(text) - 1)
        rows = extend(target, decoder, text[-1:])


def propose(draft: Vlm, chooser: Chooser, text: list[int], window: int) -> list[int]:
    prompt = draft.prepare((Message("user", (Text("what is the law of this?"),)),), ())
    decoder, rows = prefill(draft, prompt, draft.see(prompt), ids=text)
    pending: list[int] = []
    while len(pending) < window:
        pending.append(chooser.choose(rows[-1], [*text, *pending]))
        rows = extend(draft, decoder, pending[-1:])
    return pending


@pytest.mark.parametrize("window", [1, 5])
@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.0},
        {"temperature": 1.0},
        {"temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.2, "presence_penalty": 0.3},
    ],
)
def test_one_seed_gives_one_text_with_any_draft_and_with_none(window: int, settings: dict[str, float]) -> None:
    target = ToyVlm("target", seed=3)
    steps = dict.fromkeys((0.0, 0.5, 1.0), 0)
    tokens = 0
    for seed in range(5):
        parameters = SamplingParameters(60, seed=seed, eos_ids=target.info.defaults.eos_ids, **settings)  # type: ignore[arg-type]
        alone, _ = answer(target, None, parameters, 0)
        tokens += len(alone)
        for share in steps:
            with_draft, needed = answer(target, ToyVlm("draft", seed=3, agreement=share), parameters, window)
            assert with_draft == alone
            steps[share] += needed
    assert steps[1.0] < steps[0.5] < steps[0.0] <= tokens  # the drafts were not idle
