"""MMMU: Parquet files, one for each subject and split, with up to seven pictures in each row.

Columns `id`, `question`, `options` (a list as Python writes it), `answer` (a letter, or a text, or a list of texts as
Python writes it), `question_type` (`multiple-choice` or `open`), `image_1` to `image_7` ({"bytes", "path"} or nothing).
Question and options name a picture as `<image 3>`. Ours come before the text, those alone that it names, by their
numbers: so `<image 3>` becomes `(picture 1)` if it is the first. To read Parquet needs pyarrow, which the extra
`bench` brings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from benchmarks.table.convert.questions import Converted, Encoded, with_options
from benchmarks.table.score import Scoring
from shared.errors import InvalidValue

_NAMED = re.compile(r"<image (\d)>")
_COLUMNS = ["id", "question", "options", "answer", "question_type", *(f"image_{number}" for number in range(1, 8))]


def mmmu(files: Sequence[Path], choosing: str, open_ended: str) -> list[Converted]:
    """The questions of the files, in their order. Raises InvalidValue naming the row and its field."""
    return [converted(row, choosing, open_ended) for file in files for row in _rows(file)]


def converted(row: Mapping[str, Any], choosing: str, open_ended: str) -> Converted:
    """A row as a question; the instruction depends on whether it has options."""
    where = f"MMMU, {row['id']}"
    options = _texts(row["options"], f"{where}: options")
    choice = row["question_type"] == "multiple-choice"
    prompt = with_options(row["question"], options if choice else (), choosing if choice else open_ended)
    numbers = sorted({int(number) for number in _NAMED.findall(prompt)}) or _present(row)
    pictures = tuple(_picture(row, number, where) for number in numbers)
    if not pictures:
        raise InvalidValue(f"{where}: image_1", None, "is not there, and no other picture is")
    prompt = _NAMED.sub(lambda found: f"(picture {numbers.index(int(found[1])) + 1})", prompt)
    answer = str(row["answer"] or "")
    if answer in ("", "?"):  # the answers of the split test are kept back
        right: tuple[str, ...] = ()
    elif choice:
        right = (answer,)
        if answer not in ascii_uppercase[: len(options)]:
            raise InvalidValue(f"{where}: answer", answer, f"must be the letter of one of {len(options)} options")
    else:
        right = _texts(answer, f"{where}: answer") if answer.startswith("[") else (answer,)
    return Converted(pictures, prompt, right, Scoring.LETTER if choice else Scoring.EXACT)


def _present(row: Mapping[str, Any]) -> list[int]:
    return [number for number in range(1, 8) if row.get(f"image_{number}")]


def _picture(row: Mapping[str, Any], number: int, where: str) -> Encoded:
    told = row.get(f"image_{number}")
    if not told or not told.get("bytes"):
        raise InvalidValue(f"{where}: image_{number}", None, "is named by the question, and is not there")
    return Encoded(f"{row['id']}_{number}", told["bytes"])


def _texts(told: object, where: str) -> tuple[str, ...]:
    """A list as Python writes it, or as it is."""
    try:
        values = ast.literal_eval(told) if isinstance(told, str) else told
    except (ValueError, SyntaxError) as error:
        raise InvalidValue(where, told, "is not a list as Python writes it") from error
    if not isinstance(values, list | tuple):
        raise InvalidValue(where, told, "must be a list")
    return tuple(str(value) for value in values)


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise InvalidValue("mmmu", str(file), "needs pyarrow to be read: pip install 'covspec[bench]'") from error
    try:
        yield from read_table(file, columns=_COLUMNS).to_pylist()
    except (OSError, ArrowException) as error:
        raise InvalidValue("mmmu", str(file), f"is not a Parquet file of MMMU: {error}") from error
