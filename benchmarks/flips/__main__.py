"""How often rounding changes the target's choice when a step takes more than one token, in bfloat16 and in float32.

Against the target's own decoding, one token at a time, at the same contexts: steps of several answers, with proposals,
and with both. In float32 there must be no flip. Proposals agree with the reference as often as a good draft's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from time import monotonic

import torch

from benchmarks.flips.figures import HEAD, Count
from benchmarks.flips.walks import Shape, alone, walk
from benchmarks.held_out import KINDS_IN_TURN, held_out
from benchmarks.machine import machine
from shared.demo.pair import target_folder
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Vlm

SHAPES = (
    *(Shape(answers=1, proposals=0), Shape(answers=4, proposals=0), Shape(answers=16, proposals=0)),
    *(Shape(answers=1, proposals=4), Shape(answers=1, proposals=16)),
    *(Shape(answers=4, proposals=4), Shape(answers=4, proposals=16)),
    *(Shape(answers=16, proposals=4), Shape(answers=16, proposals=16)),
)
TEMPERATURES = (0.0, 0.7, 2.5)  # the last brings the best tokens together even of a target that is sure of itself
MOST_TOKENS = 256  # of an answer


def counts(vlm: Vlm, temperature: float, answers: int, seed: int) -> Iterator[Count]:
    """A count for each shape, over the same answers to held-out questions."""
    numbers = range(seed * 10**6, seed * 10**6 + answers)
    kinds = [KINDS_IN_TURN[number % len(KINDS_IN_TURN)] for number in numbers]
    wishes = [SamplingWish(temperature=temperature, seed=number) for number in numbers]
    asked = map(held_out, numbers, kinds, wishes)
    references = [alone(vlm, question, MOST_TOKENS) for question in asked]
    references = [reference for reference in references if len(reference.ids) > 1]  # else no step decides anything
    for shape in SHAPES:
        yield Count.of(shape, references, walk(vlm, references, shape, seed))


def measure(load_as: Callable[[str], Vlm], answers: int, seed: int, say: Callable[[str], None]) -> bool:
    """Say the table of each number format; whether float32 has no flip."""
    exact = True
    for dtype in ("float32", "bfloat16"):
        vlm = load_as(dtype)
        for temperature in TEMPERATURES:
            say(f"\n{vlm.info.name} in {dtype}, temperature {temperature:g}\n{HEAD}")
            for count in counts(vlm, temperature, answers, seed):
                say(count.line())
                exact = exact and not (dtype == "float32" and count.flips)
    return exact


def main() -> int:
    """Run; 1 if float32 has a flip."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flips", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", metavar="FOLDER", default=str(target_folder()), help="default: the packaged target")
    parser.add_argument("--answers", type=int, default=100, help="how many, at each temperature")
    parser.add_argument("--seed", type=int, default=0, help="of the pictures, the noise and the proposals")
    parser.add_argument("--device", default="cpu", help="where the model runs: cpu, cuda, mps")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    begin = monotonic()
    exact = measure(lambda dtype: load(wanted.model, dtype, wanted.device), wanted.answers, wanted.seed, _say)
    verdict = "no flip in float32" if exact else "FLIPS IN FLOAT32"
    _say(f"\n{verdict}; seed {wanted.seed}, {monotonic() - begin:.0f} s; on {wanted.device}: {machine()}")
    return 0 if exact else 1


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
