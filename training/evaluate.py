"""Measures the packaged pair on held-out scenes: `python -m training.evaluate --questions 100`.

Quality of the target per kind of question, and how often the draft would have said the target's next token.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from shared.demo.pair import draft_folder, target_folder
from shared.demo.world import HELD_OUT, KINDS, ask, draw, held_out_questions, placed_nouns, scene
from training.reader import Reader

AGREEMENT_FROM = 1_000_000  # held-out seeds apart from those of the quality


@dataclass(frozen=True)
class Agreement:
    """Parts of the target's greedy tokens that the draft foretells."""

    tokens: int
    all_tokens: float
    blind: float  # by the draft that sees nothing
    seen_tokens: float  # by the draft, where the blind one is wrong
    mean_answer: float  # tokens of an answer


def f1(pairs: Iterable[tuple[set[tuple[str, str]], set[tuple[str, str]]]]) -> float:
    """Micro F1 of (said, true) sets."""
    hits = said = true = 0
    for ours, theirs in pairs:
        hits, said, true = hits + len(ours & theirs), said + len(ours), true + len(theirs)
    return 2 * hits / max(1, said + true)


def quality(reader: Reader, count: int) -> dict[str, float]:
    """Exactly right answers per kind, and the F1 of (noun, place) in descriptions."""
    result: dict[str, float] = {}
    for kind in KINDS:
        right, pairs = 0, []
        for unseen, question in held_out_questions(kind, count):
            said = reader.text(reader.answer(reader.ask(draw(unseen), question.prompt)))
            right += said == question.answer
            pairs.append((placed_nouns(said), placed_nouns(question.answer)))
        result[kind] = right / count
        if kind == "describe":
            result["describe, object-position F1"] = f1(pairs)
    return result


def agreement(target: Reader, draft: Reader, count: int) -> Agreement:
    """Over mixed questions, along the target's own greedy answers."""
    blind = draft.blind()
    sighted, blinded = [], []
    for index in range(count):
        seed = HELD_OUT + AGREEMENT_FROM + index
        unseen = scene(seed)
        asked = target.ask(draw(unseen), ask(unseen, random.Random(seed)).prompt)
        answer = target.answer(asked)
        sighted.append(draft.choices(asked, answer) == answer)
        blinded.append(blind.choices(asked, answer) == answer)
    good, lucky = torch.cat(sighted), torch.cat(blinded)
    return Agreement(
        tokens=len(good),
        all_tokens=float(good.float().mean()),
        blind=float(lucky.float().mean()),
        seen_tokens=float(good[~lucky].float().mean()),
        mean_answer=len(good) / count,
    )


def main() -> None:
    """The command line; writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=target_folder())
    parser.add_argument("--draft", type=Path, default=draft_folder())
    parser.add_argument("--questions", type=int, default=100, help="per kind, and three times as many for agreement")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    target, draft = Reader(asked.target), Reader(asked.draft)
    report = {
        "questions per kind": asked.questions,
        "target": quality(target, asked.questions),
        "draft": quality(draft, asked.questions),
        "agreement": asdict(agreement(target, draft, 3 * asked.questions)),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
