"""Where the packaged pair lies: two stock Hugging Face folders and sample pictures with questions.

Knows paths only; reading models is the caller's business.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
QUESTIONS = (
    "List everything.",
    "Describe the picture.",
    "What do you see?",
    "How many things are there?",
    "Tell me about the picture.",
)
HINT = f"the demo understands its own drawings only (shared/demo/samples); ask it: {' · '.join(QUESTIONS)}"


@dataclass(frozen=True)
class Sample:
    """A packaged picture with a question, and the right answer."""

    picture: Path
    question: str
    answer: str


def target_folder() -> Path:
    """The target: config, weights, tokenizer, chat template and image processor."""
    return FOLDER / "target"


def draft_folder() -> Path:
    """The draft, with the target's vocabulary."""
    return FOLDER / "draft"


def packaged_samples() -> list[Sample]:
    """The sample pictures, each with one question and its right answer."""
    entries = json.loads((FOLDER / "samples" / "samples.json").read_text(encoding="utf-8"))
    return [Sample(FOLDER / "samples" / each["picture"], each["question"], each["answer"]) for each in entries]


def samples() -> list[tuple[Path, str]]:
    """(picture, question) of every sample."""
    return [(sample.picture, sample.question) for sample in packaged_samples()]
