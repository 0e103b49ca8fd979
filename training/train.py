"""Trains one stage for a number of minutes, resumable: `python -m training.train STAGE --folder CHECKPOINTS`.

Stages: target-sees, then target; draft-sees, then draft. Each starts from its predecessor's checkpoint.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from training.lessons import Teacher
from training.optimiser import Learner
from training.pupil import Pupil
from training.shapes import SHAPES
from training.stages import Stage, answering, seeing
from training.tokenizer import make_tokenizer

log = logging.getLogger("training")
SAVE_EVERY = 60.0  # seconds


@dataclass(frozen=True)
class Plan:
    """One stage: which model, from which checkpoint, how long, how fast."""

    model: str
    before: str | None
    minutes: float
    rate: float
    pictures: int
    visual: float = 1.0  # the vision tower's rate, of the rate


PLANS = {
    "target-sees": Plan("target", None, 6, 4e-3, 16),
    "target": Plan("target", "target-sees", 38.5, 3.5e-3, 8, 0.4),
    "draft-sees": Plan("draft", None, 1.5, 6e-3, 16),
    "draft": Plan("draft", "draft-sees", 1.2, 5e-3, 8, 0.4),
}


def rate_at(part: float, top: float) -> float:
    """Linear warm-up over 2 % of the time, then a cosine down to 2 % of the top rate."""
    if part < 0.02:
        return top * max(part / 0.02, 0.05)
    return top * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, (part - 0.02) / 0.98))))


def load_pupil(name: str, checkpoint: Path | None) -> Pupil:
    """A fresh model of the named shape, or the one of a checkpoint."""
    torch.manual_seed(0)
    pupil = Pupil(SHAPES[name], make_tokenizer())
    if checkpoint is not None:
        pupil.load_state_dict(torch.load(checkpoint, weights_only=True)["learner"]["model"])
    return pupil


def stage_of(name: str) -> Stage:
    """The loss of a stage."""
    return seeing if name.endswith("-sees") else answering


class Run:
    """A stage on its way; owns the learner and the clock."""

    def __init__(self, name: str, plan: Plan, folder: Path) -> None:
        self.name, self.plan, self.path = name, plan, folder / f"{name}.pt"
        before = None if plan.before is None or self.path.exists() else folder / f"{plan.before}.pt"
        self.learner = Learner(load_pupil(plan.model, before))
        self.steps, self.spent = 0, 0.0
        if self.path.exists():
            saved = torch.load(self.path, weights_only=True)
            self.learner.restore(saved["learner"])
            self.steps, self.spent = saved["steps"], saved["spent"]

    def save(self) -> None:
        """Writes the checkpoint whole or not at all."""
        part = self.path.with_suffix(".part")
        torch.save({"learner": self.learner.state(), "steps": self.steps, "spent": self.spent}, part)
        part.replace(self.path)

    def train(self, stage: Stage, teacher: Teacher) -> None:
        """Steps until the plan's minutes are spent."""
        budget, last, saved = self.plan.minutes * 60, time.monotonic(), self.spent
        offset = 1_000_000 * (1 + list(PLANS).index(self.name))  # each stage has lessons of its own
        while self.spent < budget:
            outcome = stage(self.learner.work, teacher.lesson(offset + self.steps))
            rate = rate_at(self.spent / budget, self.plan.rate)
            norm = self.learner.step(outcome.loss, rate, rate * self.plan.visual)
            self.steps += 1
            now = time.monotonic()
            self.spent, last = self.spent + now - last, now
            if self.steps % 20 == 0:
                log.info(
                    "%s step %d %.0f s loss %.3f seen %.3f answered %.3f norm %.2f rate %.5f",
                    self.name, self.steps, self.spent, outcome.loss.item(), outcome.seen, outcome.answered, norm, rate,
                )  # fmt: skip
            if self.spent - saved > SAVE_EVERY:
                saved = self.spent
                self.save()
        self.save()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=PLANS)
    parser.add_argument("--folder", type=Path, required=True, help="where checkpoints lie")
    parser.add_argument("--minutes", type=float, help="instead of the plan's")
    parser.add_argument("--rate", type=float, help="instead of the plan's")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    plan = PLANS[asked.stage]
    changed = replace(plan, minutes=asked.minutes or plan.minutes, rate=asked.rate or plan.rate)
    asked.folder.mkdir(parents=True, exist_ok=True)
    run = Run(asked.stage, changed, asked.folder)
    run.train(stage_of(asked.stage), Teacher(make_tokenizer(), changed.pictures))


if __name__ == "__main__":
    main()
