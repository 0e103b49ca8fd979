"""Measures the packaged pair on held-out scenes: `python -m training.evaluate --questions 100`.

Two splits, small plain pictures and large rich ones: the target's right answers per kind of question, and how often the
draft would have said the target's next token. Prints a table per split and one for both together.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from shared.demo.pair import draft_folder, target_folder
from shared.demo.questions import Question
from shared.demo.world import (
    HELD_OUT,
    KINDS,
    Scene,
    ask,
    draw,
    held_out_questions,
    held_out_rich_questions,
    placed_nouns,
    rich_scene,
    scene,
)
from training.reader import Reader

AGREEMENT_FROM = 1_000_000  # held-out seeds apart from those of the quality
Asking = Callable[[str, int, int], Iterator[tuple[Scene, Question]]]
SPLITS: dict[str, tuple[Asking, Callable[[int], Scene]]] = {
    "easy": (held_out_questions, scene),
    "rich": (held_out_rich_questions, rich_scene),
}


@dataclass
class Placed:
    """(noun, place) pairs said and true, over descriptions."""

    hits: int = 0
    said: int = 0
    true: int = 0

    def add(self, said: set[tuple[str, str]], true: set[tuple[str, str]]) -> None:
        """Counts one description."""
        self.hits, self.said, self.true = self.hits + len(said & true), self.said + len(said), self.true + len(true)

    def f1(self) -> float:
        """Micro F1."""
        return 2 * self.hits / max(1, self.said + self.true)


@dataclass
class Quality:
    """How many answers of each kind were exactly right."""

    asked: int = 0
    right: dict[str, int] = field(default_factory=dict)
    placed: Placed = field(default_factory=Placed)

    def __add__(self, other: Quality) -> Quality:
        both = [self.placed, other.placed]
        placed = Placed(*(sum(getattr(each, name) for each in both) for name in ("hits", "said", "true")))
        right = {kind: self.right[kind] + other.right[kind] for kind in self.right}
        return Quality(self.asked + other.asked, right, placed)

    def rows(self) -> dict[str, float]:
        """What the table shows."""
        parts = {kind: right / self.asked for kind, right in self.right.items()}
        return {**parts, "all kinds together": sum(parts.values()) / len(parts), "object-position F1": self.placed.f1()}


@dataclass(frozen=True)
class Agreement:
    """Along the target's greedy answers: where the draft, and the draft that sees nothing, say the same token."""

    sighted: Tensor  # [tokens], bool
    blind: Tensor  # [tokens], bool
    answers: int

    def __add__(self, other: Agreement) -> Agreement:
        sighted, blind = torch.cat([self.sighted, other.sighted]), torch.cat([self.blind, other.blind])
        return Agreement(sighted, blind, self.answers + other.answers)

    def rows(self) -> dict[str, float]:
        """What the table shows."""
        good, lucky = self.sighted.float(), self.blind.float()
        return {
            "tokens": len(good),
            "tokens of an answer": len(good) / self.answers,
            "draft agrees": float(good.mean()),
            "blind draft agrees": float(lucky.mean()),
            "tokens that need the picture (the blind draft is wrong)": float((1 - lucky).sum()),
            "draft agrees on tokens that need the picture": float(good[~self.blind].mean()),
        }


def quality(reader: Reader, asking: Asking, count: int, first: int = 0) -> Quality:
    """Exactly right answers per kind, and the placed nouns of descriptions; a picture is seen once for all kinds."""
    found = Quality(count, dict.fromkeys(KINDS, 0))
    for same in zip(*(asking(kind, count, first) for kind in KINDS), strict=True):
        shown, view = None, None
        for unseen, question in same:
            if view is None or unseen != shown:
                shown, view = unseen, reader.look(draw(unseen))
            said, right = reader.greedy(view, question.prompt, question.answer)
            found.right[question.kind] += right
            if question.kind == "describe":
                found.placed.add(placed_nouns(reader.text(said)), placed_nouns(question.answer))
    return found


def agreement(target: Reader, draft: Reader, make: Callable[[int], Scene], seeds: range) -> Agreement:
    """Over a mixed question about each seed's scene, along the target's own greedy answers."""
    blind = draft.blind()
    sighted: list[Tensor] = []
    blinded: list[Tensor] = []
    for seed in seeds:
        unseen = make(seed)
        question, picture = ask(unseen, random.Random(seed)), draw(unseen)
        answer, _ = target.greedy(target.look(picture), question.prompt, question.answer)
        for reader, agreed in ((draft, sighted), (blind, blinded)):
            agreed.append(reader.choices(reader.look(picture), question.prompt, answer) == answer)
    return Agreement(torch.cat(sighted), torch.cat(blinded), len(seeds))


def table(title: str, columns: dict[str, dict[str, float]]) -> str:
    """Markdown, one row for every measure."""
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name in next(iter(columns.values())):
        values = [column[name] for column in columns.values()]
        shown = [f"{value:.0f}" if value >= 100 else f"{value:.3f}" for value in values]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n\n"


def main() -> None:
    """The command line; writes Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=target_folder())
    parser.add_argument("--draft", type=Path, default=draft_folder())
    parser.add_argument("--questions", type=int, default=100, help="per kind and split; twice as many for agreement")
    parser.add_argument("--first", type=int, default=0, help="number of the first held-out scene")
    parser.add_argument("--split", choices=SPLITS, action="append", help="these splits alone")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    models = {"target": Reader(asked.target), "draft": Reader(asked.draft)}
    qualities: list[dict[str, Quality]] = []
    agreements: list[Agreement] = []
    splits = asked.split or list(SPLITS)
    start = HELD_OUT + AGREEMENT_FROM + asked.first
    seeds = range(start, start + 2 * asked.questions)
    for name in splits:
        asking, make = SPLITS[name]
        qualities.append(
            {model: quality(reader, asking, asked.questions, asked.first) for model, reader in models.items()}
        )
        agreements.append(agreement(models["target"], models["draft"], make, seeds))
        sys.stdout.write(table(f"{name}: right answers", {key: each.rows() for key, each in qualities[-1].items()}))
        sys.stdout.write(table(f"{name}: agreement", {"value": agreements[-1].rows()}))
        sys.stdout.flush()
    if len(splits) == 2:
        both = {model: (qualities[0][model] + qualities[1][model]).rows() for model in models}
        sys.stdout.write(table("both splits: right answers", both))
        sys.stdout.write(table("both splits: agreement", {"value": (agreements[0] + agreements[1]).rows()}))


if __name__ == "__main__":
    main()
