"""`device-client see`: what of a picture would enter the draft for a question, and why, as a picture and as numbers.

No edge is asked.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from device_client.config import DeviceConfig
from device_client.drawing import Panel, draw
from device_client.perceive import perceive
from device_client.prune.covspec import Scores, judge
from device_client.prune.sight import Ask
from device_client.prune.wish import PARTS, parse_budget, parse_choice
from device_client.reduce import Asked, Reducer, look
from shared.demo.pair import draft_folder
from shared.errors import InvalidValue
from shared.files import check_writable, write_private
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.threads import pin_process, resolve_threads

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
Box = tuple[float, float, float, float]  # left, top, right, bottom from 0 to 1


@dataclass(frozen=True)
class Look:
    """One picture as the draft is to see it. `boxes`: of each visual token; `scores`: covspec's, whoever prunes."""

    picture: Image.Image
    boxes: tuple[Box, ...]
    kept: frozenset[int]
    scores: Scores

    def as_json(self) -> dict[str, Any]:
        """Plain values; boxes in pixels."""
        width, height = self.picture.size
        columns = (self.scores.relevance.tolist(), self.scores.activity.tolist(), self.scores.rank.tolist())
        return {
            "size": [width, height],
            "visual_tokens": len(self.boxes),
            "kept": sorted(self.kept),
            "tokens": [
                {
                    "box": [round(x * side, 1) for x, side in zip(box, (width, height) * 2, strict=True)],
                    "kept": number in self.kept,
                    **{part: round(value, 4) for part, value in zip(PARTS, values, strict=True)},
                }
                for number, (box, *values) in enumerate(zip(self.boxes, *columns, strict=True))
            ],
        }

    def drawn(self, title: str) -> Image.Image:
        """The picture with what is left out dimmed, and the three scores over it."""
        panels = [
            Panel(f"kept: {len(self.kept)} of {len(self.boxes)} visual tokens", None),
            Panel("relevance: where the question points", tuple(self.scores.relevance.tolist())),
            Panel("activity: what the first layer changes", tuple(self.scores.activity.tolist())),
            Panel("rank: what tokens kept before did not say", tuple(self.scores.rank.tolist())),
        ]
        return draw(self.picture, self.boxes, self.kept, title, panels)


def check_out(out: Path) -> None:
    """Refuse what no picture can be written to, before a model is loaded. Raises InvalidValue."""
    if out.suffix.lower() not in _FORMATS:
        raise InvalidValue("out", str(out), f"must end in {', '.join(_FORMATS)}")
    check_writable("out", out)


def write(picture: Image.Image, out: Path) -> None:
    """Write a picture, whole or not at all, for its owner alone: the question is on it. Raises OSError."""
    file = io.BytesIO()
    picture.save(file, _FORMATS[out.suffix.lower()])
    write_private(out, file.getvalue())


def loaded(config: DeviceConfig) -> Vlm:
    """The draft of `config`."""
    pin_process(resolve_threads(config.threads, config.draft))
    return load(str(draft_folder()) if config.draft == "demo" else config.draft, config.dtype, config.device)


def look_at(picture: Path, prompt: str, config: DeviceConfig, vlm: Vlm) -> Look:
    """Look at one picture with a question in mind. Raises ImageError, InvalidValue, PromptTooLong."""
    choice, budget = parse_choice(config.prune), parse_budget(config.keep)
    if choice.name == "verifier":
        raise InvalidValue("prune", config.prune, "is the edge's choice, and no edge is asked here")
    question = perceive((picture,), prompt, SamplingWish())
    asked = Asked(vlm, vlm.prepare(question.messages, question.images), question.messages, question.images)
    reduced = Reducer(choice, budget).reduce(asked)
    visual = vlm.see(asked.prompt)  # as it was before tokens were mixed
    sight = look(asked, visual, {Ask.QUESTION, Ask.UPDATE})
    _, scores = judge(PARTS, sight, max(1, reduced.count))
    kept = range(sight.count) if reduced.kept is None else reduced.kept
    boxes = tuple((left, top, right, bottom) for left, top, right, bottom in sight.boxes.tolist())
    return Look(question.images[0], boxes, frozenset(kept), scores)
