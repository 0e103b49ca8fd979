"""The plans of all stages, in steps: the same plan gives the same model on a machine of any speed, but for rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.lessons import Course


@dataclass(frozen=True)
class Plan:
    """One stage: which model, from which checkpoint, how long, how fast, on what."""

    model: str
    before: str | None
    steps: int
    rate: float
    course: Course
    visual: float = 1.0  # the vision tower's rate, of the rate
    warm: float = 0.02  # the first part of the steps, over which the rate rises
    falling: float = 1.0  # the last part of the steps, over which it falls


SEEING = Course(pictures=16)
ANSWERING = Course(pictures=8)
MEETING = Course(pictures=8, look_ups=10, rich=0.7, visual=800, sight=0.35, board=0.3)
RICH = Course(pictures=8, look_ups=10, rich=0.75, visual=800, sight=0.7, board=0.3)
COUNTING = Course(pictures=8, look_ups=10, counting=True, rich=0.8, visual=800, sight=0.25, board=0.3)

PLANS = {
    "target-sees": Plan("target", None, 450, 4e-3, SEEING),
    "target": Plan("target", "target-sees", 3000, 3.5e-3, ANSWERING, 0.4),
    "target-meets": Plan("target", "target", 250, 2e-3, MEETING, 0.6, warm=0.12, falling=0),
    "target-rich": Plan("target", "target-meets", 1500, 2e-3, RICH, 0.6, falling=0.5),
    "target-counts": Plan("target", "target-rich", 580, 1.2e-3, COUNTING, 0.5),
    "draft-sees": Plan("draft", None, 300, 6e-3, SEEING),
    "draft": Plan("draft", "draft-sees", 250, 5e-3, ANSWERING, 0.4),
    "draft-rich": Plan("draft", "draft", 220, 3e-3, RICH, 0.6),
}
LESSONS_APART = 1_000_000  # each stage has lessons of its own


def rate_at(step: int, plan: Plan) -> float:
    """A linear rise, then level, at last half a cosine down to 2 % of the top rate."""
    part = step / plan.steps
    if part < plan.warm:
        return plan.rate * max(part / plan.warm, 0.05)
    start = max(plan.warm, 1 - plan.falling)
    fallen = max(0.0, part - start) / (1 - start) if start < 1 else 0.0
    return plan.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fallen)))
