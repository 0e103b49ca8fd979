"""How long a model's forward takes on one core: `python -m benchmarks.speed.stopwatch MODEL DTYPE TOKENS...`.

Prints JSON: for each number of tokens the median seconds of a step over so many, behind a prompt with a picture.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter

import torch

from shared.demo.pair import packaged_samples
from shared.media.images import open_image
from shared.speculation.request import Message, Picture, Text
from shared.vlm.load import load
from shared.vlm.port import Block, Vlm
from shared.vlm.single import prefill

REPEATS = 25


def seconds_of_steps(vlm: Vlm, sizes: Sequence[int]) -> dict[int, float]:
    """Median seconds of a step by its number of tokens. Sizes take turns, so that a busy moment meets all."""
    sample = packaged_samples()[0]
    picture = open_image(sample.picture.read_bytes(), 10**8, sample.picture.name)
    prompt = vlm.prepare((Message("user", (Picture(0), Text(sample.question))),), (picture,))
    decoder, _ = prefill(vlm, prompt, vlm.see(prompt))
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(REPEATS):
        for size in sizes:
            begin = perf_counter()
            vlm.step([Block(decoder, ids=(0,) * size)])
            seconds[size].append(perf_counter() - begin)
            decoder.truncate(0)
    return {size: median(each) for size, each in seconds.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    model, dtype, *wanted = sys.argv[1:]
    sys.stdout.write(json.dumps(seconds_of_steps(load(model, dtype), [int(size) for size in wanted])) + "\n")
