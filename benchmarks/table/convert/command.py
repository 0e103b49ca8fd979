"""`python -m benchmarks.table convert`: the command line of the conversions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.table.convert.mmbench import mmbench
from benchmarks.table.convert.mmmu import mmmu
from benchmarks.table.convert.questions import CHOOSE, SHORT, Converted, some, write
from benchmarks.table.convert.vqav2 import vqav2
from shared.errors import InvalidValue

_ABOUT = "Files that you downloaded, made into a folder for --data. docs/benchmarks.md tells which files."


def convert(words: Sequence[str]) -> int:
    """Convert and say how much; the exit code."""
    asked = _arguments(words)
    try:
        number = write(some(_converted(asked), asked.most), asked.into)
    except InvalidValue as refused:
        print(refused, file=sys.stderr)  # noqa: T201 - a command line's own output
        return 2
    print(f"{number} questions in {asked.into}: --data {asked.into}")  # noqa: T201 - a command line's own output
    return 0


def _converted(asked: argparse.Namespace) -> list[Converted]:
    match asked.data:
        case "vqav2":
            return vqav2(asked.questions, asked.annotations, asked.images, _instruction(asked, SHORT))
        case "mmmu":
            return mmmu(asked.files, _instruction(asked, CHOOSE), _instruction(asked, SHORT))
        case _:
            return mmbench(asked.file, _instruction(asked, CHOOSE))


def _instruction(asked: argparse.Namespace, usual: str) -> str:
    return usual if asked.instruction is None else str(asked.instruction)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table convert", description=_ABOUT)
    verbs = parser.add_subparsers(dest="data", required=True)
    one = verbs.add_parser("vqav2", help="questions and annotations (JSON), and the folder of COCO pictures")
    one.add_argument("--questions", type=Path, required=True, help="v2_OpenEnded_mscoco_val2014_questions.json")
    one.add_argument("--annotations", type=Path, help="v2_mscoco_val2014_annotations.json; none: no right answers")
    one.add_argument("--images", type=Path, required=True, help="the folder val2014; pictures that lack are left out")
    two = verbs.add_parser("mmmu", help="Parquet files of its subjects; needs the extra bench")
    two.add_argument("files", type=Path, nargs="+", help="such as Art/validation-00000-of-00001.parquet")
    three = verbs.add_parser("mmbench", help="a file of tab-separated values")
    three.add_argument("file", type=Path, help="such as mmbench_dev_en_20231003.tsv")
    for verb in (one, two, three):
        verb.add_argument("--into", type=Path, required=True, help="the folder to write")
        verb.add_argument("--most", type=int, help="so many questions, drawn at random, the same every time")
        verb.add_argument("--instruction", help="what is said behind the question, in place of our own sentence")
    return parser.parse_args(words)
