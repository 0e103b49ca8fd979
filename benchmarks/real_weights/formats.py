"""What a number format does to a draft: how many of its float32 self's tokens it still says, and what a token costs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from shared.speculation.coupled import Chooser
from shared.speculation.messages import agreement as common
from shared.speculation.request import Message, SamplingParameters, Text
from shared.vlm.port import Block, Prompt, Vlm
from shared.vlm.single import extend, prefill

WIDTHS = (1, 2, 4, 8)  # tokens in a step
WARM_UP, STEPS, DRAWS = 3, 15, 60


@dataclass(frozen=True)
class Format:
    """How a draft in one format compares with itself in float32.

    `forced`: the share of the reference's tokens that it says after the reference's own text. `free`: the share that a
    text of its own begins with: one difference counts for all behind it. `step_ms`: by tokens in a step.
    """

    name: str
    forced: float
    free: float
    step_ms: dict[int, float]


def prompts(vlm: Vlm, texts: Sequence[str]) -> list[Prompt]:
    """Each text as a question."""
    return [vlm.prepare((Message("user", (Text(text),)),), ()) for text in texts]


def greedy(vlm: Vlm, texts: Sequence[str], tokens: int) -> list[list[int]]:
    """The first `tokens` of each answer, all in one forward for each token; the end of an answer ends nothing."""
    asked = prompts(vlm, texts)
    decoders = [vlm.begin(prompt, vlm.see(prompt)) for prompt in asked]
    rows = vlm.step([Block(decoder, decoder.prompt_left) for decoder in decoders])
    said: list[list[int]] = [[int(row[-1].argmax())] for row in rows]
    for _ in range(tokens - 1):
        rows = vlm.step([Block(decoder, ids=text[-1:]) for decoder, text in zip(decoders, said, strict=True)])
        for text, row in zip(said, rows, strict=True):
            text.append(int(row[-1].argmax()))
    return said


def measured(name: str, vlm: Vlm, texts: Sequence[str], reference: Sequence[list[int]]) -> Format:
    """`vlm` against the answers of its float32 self."""
    decoders = [vlm.begin(prompt, vlm.see(prompt)) for prompt in prompts(vlm, texts)]
    pairs = zip(decoders, reference, strict=True)
    rows = vlm.step([Block(decoder, decoder.prompt_left, text[:-1]) for decoder, text in pairs])
    tokens = sum(map(len, reference))
    forced = sum(int((row.argmax(-1) == torch.tensor(text)).sum()) for row, text in zip(rows, reference, strict=True))
    own = greedy(vlm, texts, len(reference[0]))
    free = sum(common(mine, theirs) for mine, theirs in zip(own, reference, strict=True))
    return Format(name, forced / tokens, free / tokens, {width: _step_ms(vlm, texts[0], width) for width in WIDTHS})


def choosing_ms(vlm: Vlm, text: str) -> dict[float, float]:
    """The median time of choosing a token from a row of logits, by temperature."""
    (prompt,) = prompts(vlm, [text])
    _, rows = prefill(vlm, prompt, vlm.see(prompt))
    medians = {}
    for temperature in (0.0, 0.8):
        chooser = Chooser(SamplingParameters(DRAWS, seed=1, temperature=temperature), prompt.ids)
        times = []
        for place in range(DRAWS):
            begin = perf_counter()
            chooser.choose(rows[-1], [5] * place)
            times.append(perf_counter() - begin)
        medians[temperature] = 1e3 * statistics.median(times)
    return medians


def _step_ms(vlm: Vlm, text: str, width: int) -> float:
    (prompt,) = prompts(vlm, [text])
    decoder, _ = prefill(vlm, prompt, vlm.see(prompt))
    times = []
    for _ in range(WARM_UP + STEPS):
        begin = perf_counter()
        extend(vlm, decoder, [40 + place for place in range(width)])
        times.append(perf_counter() - begin)
        decoder.truncate(0)
    return 1e3 * statistics.median(times[WARM_UP:])
