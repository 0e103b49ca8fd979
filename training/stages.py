"""The stages of training, each a loss of one lesson: see, then answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from training.lessons import IGNORED, Lesson
from training.pupil import Pupil

DENSE = 0.3  # weight of the dense loss beside the answers
POINTING = 0.4  # weight of one head's attention from a noun to its thing
LOOKING = 0.3  # weight of another head's attention to the cell that is about to be named


@dataclass(frozen=True)
class Outcome:
    """The loss to descend and two measures to watch."""

    loss: Tensor
    seen: float  # things' tokens read rightly
    answered: float  # answer tokens foretold rightly


Stage = Callable[[Pupil, Lesson], Outcome]


def seeing(pupil: Pupil, lesson: Lesson) -> Outcome:
    """The vision tower alone."""
    sight = pupil.look(lesson)
    return Outcome(sight.loss, float(sight.right), 0.0)


def answering(pupil: Pupil, lesson: Lesson) -> Outcome:
    """Cross-entropy of the answers and the dense loss."""
    sight = pupil.look(lesson)
    reply = pupil.reply(lesson, sight)
    logits = reply.logits.float()
    labels = lesson.labels[lesson.labels != IGNORED]
    told = DENSE * sight.loss + POINTING * reply.pointing + LOOKING * reply.looking
    loss = functional.cross_entropy(logits, labels) + told
    return Outcome(loss, float(sight.right), float((logits.argmax(-1) == labels).float().mean()))
