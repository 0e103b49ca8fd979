"""VQAv2: the two JSON files of a split, questions and annotations, and its folder of COCO pictures.

questions     {"data_subtype": "val2014", "questions": [{"image_id": N, "question": TEXT, "question_id": N}, ...]}
annotations   {"annotations": [{"question_id": N, "answers": [{"answer": TEXT, ...} ten times]}, ...]}; none for `test`
pictures      COCO_SPLIT_000000123456.jpg

What ten people said are the right answers, and the scoring is VOTE.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.table.convert.questions import Converted
from benchmarks.table.score import Scoring
from shared.errors import InvalidValue


def vqav2(questions: Path, annotations: Path | None, pictures: Path, instruction: str) -> list[Converted]:
    """Every question of the file whose picture is there. Raises InvalidValue for files of another form."""
    told = _object(questions, "questions")
    said = _answers(annotations) if annotations is not None else {}
    split = str(told.get("data_subtype", "")) or _split(questions)
    found = []
    for place, each in enumerate(told["questions"]):
        try:
            picture = pictures / f"COCO_{split}_{int(each['image_id']):012d}.jpg"
            asked, number = str(each["question"]), int(each["question_id"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidValue(f"{questions}: question {place + 1}", each, f"is none of VQAv2: {error}") from error
        if annotations is not None and number not in said:
            raise InvalidValue(f"{annotations}", number, "has no answers to this question: are both of one split?")
        if picture.exists():
            prompt = "\n".join(part for part in (asked, instruction) if part)
            found.append(Converted((picture,), prompt, said.get(number, ()), Scoring.VOTE))
    if not found:
        raise InvalidValue("images", str(pictures), f"holds no picture of them, like COCO_{split}_000000123456.jpg")
    return found


def _answers(file: Path) -> dict[int, tuple[str, ...]]:
    told = _object(file, "annotations")
    try:
        return {
            int(each["question_id"]): tuple(str(person["answer"]) for person in each["answers"])
            for each in told["annotations"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValue(str(file), str(error), "is not what annotations of VQAv2 hold") from error


def _object(file: Path, field: str) -> Mapping[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidValue(field, str(file), f"cannot be read: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get(field), list):
        raise InvalidValue(field, str(file), f'must be a file of VQAv2, an object with a list "{field}"')
    return values


def _split(questions: Path) -> str:
    """`v2_OpenEnded_mscoco_val2014_questions.json` is of val2014."""
    for split in ("train2014", "val2014", "test2015"):
        if split in questions.name:
            return split
    raise InvalidValue("questions", str(questions), "does not tell its split: no data_subtype, and none in its name")
