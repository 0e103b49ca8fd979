"""What is asked: held-out scenes of the generator, or pictures, questions and answers from a folder or a file.

A file of JSON lines, `image` (relative to the file; several as a list), `question` and `answer` in each; a list of
answers are all right. `scoring` says how an answer is judged (`score`), and is `exact` if it does not stand there.
A folder holds such a file, `questions.jsonl`; or pictures, and beside each `NAME.json` with `question` and `answer`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.held_out import unseen_scene
from benchmarks.table.score import Scoring
from benchmarks.virtual.traces import FIRST, KINDS
from shared.demo.world import draw
from shared.errors import InvalidValue

SCENES = "scenes"  # what the data are called that the generator draws
LINES = "questions.jsonl"
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})


@dataclass(frozen=True)
class Asked:
    """A question about pictures in files. `number` is the seed of its answer; `right`: none is known if empty."""

    number: int
    pictures: tuple[Path, ...]
    prompt: str
    right: tuple[str, ...] = ()
    scoring: Scoring = Scoring.EXACT


def scenes(folder: Path, first: int) -> Iterator[Asked]:
    """Endless, the same every time, and the same as `benchmarks.virtual` traces; pictures are drawn into `folder`."""
    for number in count(first):
        unseen, asked = unseen_scene(FIRST + number, KINDS[number % len(KINDS)])
        picture = folder / f"{number}.png"
        draw(unseen).save(picture)
        yield Asked(number, (picture,), asked.prompt, (asked.answer,))


def stored(source: Path) -> list[Asked]:
    """The questions of a folder or a file of JSON lines. Raises InvalidValue naming file, line and field."""
    if not source.exists():
        raise InvalidValue("data", str(source), "is neither `scenes` nor a folder or file that is there")
    lines = source / LINES if source.is_dir() else source
    if lines.exists():
        found = list(_of_lines(lines))
    else:
        found = [
            _asked(number, {"image": picture.name, **_object(beside.read_text(encoding="utf-8"), str(beside))}, beside)
            for number, (picture, beside) in enumerate(_pairs(source))
        ]
    if not found:
        raise InvalidValue(
            "data", str(source), f"holds no questions: neither {LINES} nor a picture with a .json beside it"
        )
    return found


def _of_lines(file: Path) -> Iterator[Asked]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        if line.strip():
            yield _asked(number, _object(line, f"{file}:{number + 1}"), file)


def _pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    for picture in sorted(folder.iterdir()):
        beside = picture.with_suffix(".json")
        if picture.suffix.lower() in _PICTURES and beside.exists():
            yield picture, beside


def _object(text: str, where: str) -> Mapping[str, Any]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidValue(where, text[:40], f"is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InvalidValue(where, text[:40], "must be an object with image, question and answer")
    return values


def _asked(number: int, values: Mapping[str, Any], file: Path) -> Asked:
    where = f"{file}, question {number + 1}"
    pictures = tuple(file.parent / name for name in _texts(values, "image", where))
    for picture in pictures:
        if not picture.exists():
            raise InvalidValue(f"{where}: image", str(picture), "is not there")
    (prompt,) = _texts(values, "question", where)[:1] or ("",)
    if not prompt:
        raise InvalidValue(f"{where}: question", prompt, "must be said")
    scoring = values.get("scoring", Scoring.EXACT.value)
    if scoring not in list(Scoring):
        raise InvalidValue(f"{where}: scoring", scoring, f"must be one of {', '.join(Scoring)}")
    return Asked(number, pictures, prompt, _texts(values, "answer", where), Scoring(scoring))


def _texts(values: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    """A text, or a list of them, or nothing."""
    value = values.get(field, [])
    listed: Sequence[object] = [value] if isinstance(value, str) else value if isinstance(value, list) else [None]
    if not all(isinstance(each, str) for each in listed):
        raise InvalidValue(f"{where}: {field}", value, "must be a text or a list of texts")
    return tuple(str(each) for each in listed)
