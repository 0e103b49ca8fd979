"""Trains one stage, resumable: `python -m training.train STAGE --folder CHECKPOINTS`.

Stages: target-sees, target, target-rich; draft-sees, draft, draft-rich. Each starts from its predecessor's checkpoint.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from training.lessons import Teacher
from training.optimiser import Learner
from training.plans import LESSONS_APART, PLANS, Plan, rate_at
from training.pupil import Pupil
from training.shapes import SHAPES
from training.stages import Stage, answering, seeing
from training.tokenizer import make_tokenizer

log = logging.getLogger("training")
LOG_EVERY, SAVE_EVERY = 20, 50  # steps


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


def write(path: Path, learner: dict[str, Any], steps: int, spent: float) -> None:
    """A checkpoint, whole or not at all."""
    part = path.with_suffix(".part")
    torch.save({"learner": learner, "steps": steps, "spent": spent}, part)
    part.replace(path)


class Run:
    """A stage on its way; owns the learner and the count of steps."""

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
        """Writes the checkpoint."""
        write(self.path, self.learner.state(), self.steps, self.spent)

    def train(self, stage: Stage, teacher: Teacher) -> None:
        """Steps until the plan's are done."""
        plan, last = self.plan, time.monotonic()
        offset = LESSONS_APART * (1 + list(PLANS).index(self.name))
        while self.steps < plan.steps:
            outcome = stage(self.learner.work, teacher.lesson(offset + self.steps))
            rate = rate_at(self.steps, plan)
            norm = self.learner.step(outcome.loss, rate, rate * plan.visual)
            self.steps += 1
            now = time.monotonic()
            self.spent, last = self.spent + now - last, now
            if self.steps % LOG_EVERY == 0:
                log.info(
                    "%s step %d of %d, %.0f s: loss %.3f seen %.3f answered %.3f norm %.2f rate %.5f",
                    self.name, self.steps, plan.steps, self.spent, outcome.loss.item(), outcome.seen,
                    outcome.answered, norm, rate,
                )  # fmt: skip
            if self.steps % SAVE_EVERY == 0:
                self.save()
        self.save()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=PLANS)
    parser.add_argument("--folder", type=Path, required=True, help="where checkpoints lie")
    parser.add_argument("--steps", type=int, help="instead of the plan's")
    parser.add_argument("--rate", type=float, help="instead of the plan's")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    plan = PLANS[asked.stage]
    changed = replace(plan, steps=asked.steps or plan.steps, rate=asked.rate or plan.rate)
    asked.folder.mkdir(parents=True, exist_ok=True)
    run = Run(asked.stage, changed, asked.folder)
    run.train(stage_of(asked.stage), Teacher(make_tokenizer(), changed.course))


if __name__ == "__main__":
    main()
