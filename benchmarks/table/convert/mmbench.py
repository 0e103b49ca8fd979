"""MMBench: a file of tab-separated values with a picture in base64 in each line.

Columns `index`, `question`, `A` to `D` (empty where there are fewer options), `image`, and where known `hint` and
`answer`, a letter. In place of a picture may stand the index of the line that has it.
A file of the circular evaluation holds each question again with its options turned, at its index and a million or more:
those are left out.
"""

from __future__ import annotations

import base64
import binascii
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import ascii_uppercase

from benchmarks.table.convert.questions import Converted, Encoded, with_options
from benchmarks.table.score import Scoring
from shared.errors import InvalidValue

_TURNED = 10**6  # from this index on
_REFERENCE = 64  # no picture is so short in base64
_MOST_FIELD = 1 << 28
_NEEDED = ("index", "question", "A", "B", "image")

Line = Mapping[str, str]


def mmbench(file: Path, instruction: str) -> list[Converted]:
    """Its questions. Raises InvalidValue naming line and column."""
    lines = list(_lines(file))
    images = {line["index"]: line["image"] for line in lines}
    return [_converted(line, images, instruction, file) for line in lines if _index(line, file) < _TURNED]


def _lines(file: Path) -> Iterator[Line]:
    before = csv.field_size_limit(_MOST_FIELD)
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            reader = csv.DictReader(opened, delimiter="\t")
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise InvalidValue(str(file), ", ".join(missing), "columns are missing: is it a .tsv of MMBench?")
            yield from ({name: value or "" for name, value in line.items() if name} for line in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidValue("mmbench", str(file), f"cannot be read: {error}") from error
    finally:
        csv.field_size_limit(before)


def _index(line: Line, file: Path) -> int:
    try:
        return int(line["index"])
    except ValueError as error:
        raise InvalidValue(f"{file}: index", line["index"], "must be a number") from error


def _converted(line: Line, images: Mapping[str, str], instruction: str, file: Path) -> Converted:
    where = f"{file}, index {line['index']}"
    options = [line[letter] for letter in ascii_uppercase if line.get(letter)]
    asked = "\n".join(part for part in (line.get("hint", ""), line["question"]) if part)
    answer = line.get("answer", "").strip()
    if answer and answer not in ascii_uppercase[: len(options)]:
        raise InvalidValue(f"{where}: answer", answer, f"must be the letter of one of {len(options)} options")
    picture = Encoded(line["index"], _picture(line["image"], images, where))
    right = (answer,) if answer else ()
    return Converted((picture,), with_options(asked, options, instruction), right, Scoring.LETTER)


def _picture(told: str, images: Mapping[str, str], where: str) -> bytes:
    text = images.get(told, "") if len(told) <= _REFERENCE else told
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidValue(f"{where}: image", told[:20], "is no picture in base64, nor another's index") from error
    if not data:
        raise InvalidValue(f"{where}: image", told[:20], "is the index of no line with a picture")
    return data
