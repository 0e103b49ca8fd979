"""The laws on trained language weights, and what formats, choosing and answers cost there; exits with 1 if a law fails.

`make test-real` runs it. It downloads a package of 90 MB once. Laws: at temperature 0 each answer is that of stock
`generate()`, at 0.8 and about a picture that of the same edge without drafts, with draft tokens accepted and rejected;
and int8 agrees with the float32 draft on at least .97 of its greedy tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.machine import machine
from benchmarks.real_weights import answers, formats
from benchmarks.real_weights.build import Pair, pair
from shared.vlm.load import load

TEXTS = (
    "Write a short story about a fox who learns to swim.",
    "Explain how rainbows form.",
    "List five uses for a paper clip.",
    "Write a Python function that reverses a string, with a short explanation.",
    "What is the capital of France, and what is it known for?",
    "Write a polite email asking for a day off.",
    "Give me a recipe for pancakes.",
    "What are the differences between a lake and a river?",
)
FORMATS = ("float32", "bfloat16", "int8")
LEAST_AGREEMENT = 0.97


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, measure, tell; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_weights", description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("build/real-weights"), help="folder of the models")
    parser.add_argument("--answers", type=int, default=len(TEXTS), choices=range(1, len(TEXTS) + 1), metavar="N")
    parser.add_argument("--tokens", type=int, default=48, help="of an answer")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    wanted = parser.parse_args(arguments)
    torch.set_num_threads(wanted.threads)
    models = pair(wanted.cache)
    _say(f"{machine()}, {wanted.threads} threads")
    failed = list(_formats(models, wanted.tokens))
    failed += asyncio.run(_answers(models, TEXTS[: wanted.answers], wanted.tokens))
    for sentence in failed:
        _say(f"FAILED: {sentence}")
    return 1 if failed else 0


def _formats(models: Pair, tokens: int) -> Iterator[str]:
    _say(f"\n| the draft in | agreement, forced | agreement, free | {' | '.join(_steps())} |")
    _say(f"|---|{'---:|' * (2 + len(formats.WIDTHS))}")
    reference: list[list[int]] = []
    for name in FORMATS:
        vlm = load(str(models.draft), name)
        reference = reference or formats.greedy(vlm, TEXTS, tokens)
        measured = formats.measured(name, vlm, TEXTS, reference)
        times = " | ".join(f"{ms:.1f}" for ms in measured.step_ms.values())
        _say(f"| {name} | {measured.forced:.3f} | {measured.free:.3f} | {times} |")
        if measured.forced < LEAST_AGREEMENT:
            yield f"{name} agrees on {measured.forced:.3f} of the tokens: at least {LEAST_AGREEMENT} is the rule"
        if name == "float32":
            choosing = formats.choosing_ms(vlm, TEXTS[0])
    _say(f"\n{sum(map(len, reference))} tokens of {len(TEXTS)} answers.")
    told = ", ".join(f"{ms:.2f} ms at temperature {temperature:g}" for temperature, ms in choosing.items())
    _say(f"Choosing a token of {vlm.info.rows} ids: {told}.")


def _steps() -> Iterator[str]:
    return (f"ms, {width} token{'s' * (width > 1)}" for width in formats.WIDTHS)


async def _answers(models: Pair, texts: Sequence[str], tokens: int) -> list[str]:
    drafts = {
        "2 of 30 layers left out": load(str(models.draft)),
        "the target in int8": load(str(models.target), "int8"),
    }
    sampled, seen = answers.questions(texts, tokens, 0.8), answers.questions(texts[:2], tokens, 0.0, seen=True)
    greedy = answers.questions(texts, tokens, 0.0)
    told = []
    async with answers.Edge(models.target) as edge:
        quiet = drafts["2 of 30 layers left out"]
        alone = [
            [result.ids for result in await edge.results(quiet, asked, drafting=False)] for asked in (sampled, seen)
        ]
        cases = (
            ("temperature 0, stock generate()", greedy, answers.stock(models.target, texts, tokens)),
            ("temperature 0.8, no drafts", sampled, alone[0]),
            ("temperature 0 with a picture, no drafts", seen, alone[1]),
        )
        for name, draft in drafts.items():
            for against, asked, expected in cases:
                results = await edge.results(draft, asked, drafting=True)
                told.append(answers.compared(f"{name} \N{MULTIPLICATION SIGN} {against}", results, expected))
    return list(judged(told))


def judged(told: Sequence[answers.Asked]) -> Iterator[str]:
    """Print the table of answers; a sentence for each law that fails."""
    _say("\n| draft, against | same text | drafted | accepted | corrections | bytes up | bytes down |")
    _say(f"|---|{'---:|' * 6}")
    for each in told:
        counts = f"{each.same} of {each.answers} | {each.drafted} | {each.accepted} | {each.rejected}"
        _say(f"| {each.title} | {counts} | {each.up:.0f} | {each.down:.0f} |")
        if each.same < each.answers:
            yield f"{each.answers - each.same} of {each.answers} texts differ: {each.title}"
    _say(f"\nPayload of an answer by kind, the last row: {told[-1].kinds}.")
    checks: dict[str, Callable[[answers.Asked], int]] = {
        "accepted": lambda a: a.accepted,
        "rejected": lambda a: a.rejected,
    }
    for name, count in checks.items():
        if not sum(map(count, told)):
            yield f"no draft token was {name}: this shows nothing"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
