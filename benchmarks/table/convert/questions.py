"""What every conversion has in common: a question, how options are put, how a folder of questions is written.

Guarantees: what is written is what `benchmarks.table.questions` reads; questions that are there are not written over.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase

from benchmarks.table.questions import LINES
from benchmarks.table.score import Scoring
from shared.errors import InvalidValue

SHORT = "Answer with one word or a short phrase."
CHOOSE = "Answer with the letter of the right option."
PICTURES = "pictures"  # the folder beside the questions, for pictures that come inside other files


@dataclass(frozen=True)
class Encoded:
    """A picture as it stood in another file. `name`: of its file, without an ending."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Converted:
    """A question. `pictures`: files that are there, or such as have to be written. `right`: none is known if empty."""

    pictures: tuple[Path | Encoded, ...]
    prompt: str
    right: tuple[str, ...]
    scoring: Scoring


def with_options(question: str, options: Sequence[str], instruction: str) -> str:
    """The question, each option behind its letter on a line of its own, and what to do with them."""
    if len(options) > len(ascii_uppercase):
        raise InvalidValue("options", len(options), f"must be at most {len(ascii_uppercase)}")
    lettered = [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]
    return "\n".join(part for part in (question, *lettered, instruction) if part)


def some(converted: Sequence[Converted], most: int | None) -> list[Converted]:
    """At most so many, drawn at random, the same every time, in their order."""
    if most is None or most >= len(converted):
        return list(converted)
    drawn = random.Random(0).sample(range(len(converted)), most)
    return [converted[place] for place in sorted(drawn)]


def write(converted: Iterable[Converted], into: Path) -> int:
    """Write the folder; how many questions it holds. Raises InvalidValue if it holds some already."""
    lines = into / LINES
    if lines.exists():
        raise InvalidValue("into", str(into), f"holds {LINES} already: choose another folder, or remove it")
    into.mkdir(parents=True, exist_ok=True)
    told = [_line(each, into) for each in converted]
    lines.write_text("".join(line + "\n" for line in told), encoding="utf-8")
    return len(told)


def _line(one: Converted, into: Path) -> str:
    names = [_name(picture, into) for picture in one.pictures]
    values: dict[str, object] = {"image": names, "question": one.prompt}
    if one.right:
        values["answer"] = list(one.right)
    return json.dumps(values | {"scoring": one.scoring.value}, ensure_ascii=False)


def _name(picture: Path | Encoded, into: Path) -> str:
    """Relative to the folder; a picture that has no file yet is written."""
    if isinstance(picture, Path):
        return Path(os.path.relpath(picture, into)).as_posix()
    folder = into / PICTURES
    folder.mkdir(exist_ok=True)
    file = folder / f"{picture.name}{_ending(picture)}"
    file.write_bytes(picture.data)
    return file.relative_to(into).as_posix()


def _ending(picture: Encoded) -> str:
    for ending, mark in ((".png", b"\x89PNG"), (".jpg", b"\xff\xd8\xff"), (".gif", b"GIF8"), (".bmp", b"BM")):
        if picture.data.startswith(mark):
            return ending
    if picture.data[:4] == b"RIFF" and picture.data[8:12] == b"WEBP":
        return ".webp"
    raise InvalidValue("picture", picture.name, "is none that we know: PNG, JPEG, GIF, BMP or WebP")
