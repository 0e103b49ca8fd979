"""Files in the forms of VQAv2, MMMU and MMBench, made up and tiny, become questions that the table reads."""

from __future__ import annotations

import base64
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from PIL import Image
from pyarrow.parquet import write_table

from benchmarks.table.__main__ import main
from benchmarks.table.convert.mmmu import converted
from benchmarks.table.questions import Asked, stored
from benchmarks.table.score import Scoring, score
from shared.errors import InvalidValue

PEOPLE = ["dog"] * 7 + ["puppy"] * 2 + ["cat"]


def encoded(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, kind)
    return file.getvalue()


def into(folder: Path, *words: str) -> list[Asked]:
    made = folder / "made"
    assert main(["convert", *words, "--into", str(made)]) == 0
    return stored(made)


def vqav2(folder: Path, answered: int = 2, **changed: Any) -> list[str]:
    pictures = folder / "val2014"
    pictures.mkdir()
    for number in (9, 262148):
        (pictures / f"COCO_val2014_{number:012d}.jpg").write_bytes(encoded("JPEG"))
    questions = [
        {"image_id": 9, "question": "What is it?", "question_id": 9001},
        {"image_id": 262148, "question": "And this?", "question_id": 262148000},
        {"image_id": 5, "question": "Where is the picture?", "question_id": 5000},
    ]
    said = [{"answer": each, "answer_confidence": "yes", "answer_id": 1} for each in PEOPLE]
    answers = [{"question_id": each["question_id"], "answers": said} for each in (*questions[:answered], questions[2])]
    told = {"data_subtype": "val2014", "data_type": "mscoco", "questions": questions, **changed}
    (folder / "q.json").write_text(json.dumps(told))
    (folder / "a.json").write_text(json.dumps({"annotations": answers}))
    names = {"--questions": "q.json", "--annotations": "a.json", "--images": "val2014"}
    return ["vqav2", *(word for name, file in names.items() for word in (name, str(folder / file)))]


def test_vqav2_keeps_what_ten_people_said_and_where_its_pictures_are(tmp_path: Path) -> None:
    first, second = into(tmp_path, *vqav2(tmp_path))  # the third has no picture
    assert first.prompt == "What is it?\nAnswer with one word or a short phrase."
    assert (list(first.right), first.scoring) == (PEOPLE, Scoring.VOTE)
    assert second.pictures[0].resolve() == tmp_path / "val2014" / "COCO_val2014_000000262148.jpg"
    assert score("A puppy.", first.right, first.scoring) == pytest.approx(2 / 3)


def test_vqav2_without_answers_is_asked_all_the_same(tmp_path: Path) -> None:
    words = vqav2(tmp_path)
    del words[words.index("--annotations") : words.index("--annotations") + 2]
    assert [asked.right for asked in into(tmp_path, *words, "--instruction", "")] == [(), ()]


@pytest.mark.parametrize(
    ("answered", "changed", "sentence"),
    [
        (1, {}, "262148000"),
        (2, {"questions": {}}, "list"),
        (2, {"questions": [{"question": "?"}]}, "question 1"),
        (2, {"data_subtype": "train2014"}, "COCO_train2014"),
        (2, {"data_subtype": ""}, "split"),
    ],
)
def test_what_is_not_vqav2_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answered: int, changed: dict[str, Any], sentence: str
) -> None:
    words = vqav2(tmp_path, answered, **changed)
    assert main(["convert", *words, "--into", str(tmp_path / "made")]) == 2
    assert sentence in capsys.readouterr().err


def row(**changed: Any) -> dict[str, Any]:
    nothing = {f"image_{number}": None for number in range(1, 8)}
    pictures = {f"image_{number}": {"bytes": encoded(), "path": f"{number}.png"} for number in (1, 2)}
    usual = {
        "id": "validation_Art_1",
        "question": "Which is like <image 2>?",
        "options": "['a dog', \"a cat's tail\"]",
        "answer": "B",
        "question_type": "multiple-choice",
        "subfield": "Painting",
    }
    return nothing | pictures | usual | changed


def test_mmmu_puts_its_options_behind_letters_and_the_pictures_that_it_names_before(tmp_path: Path) -> None:
    questions = [row(), row(id="validation_Art_2", options="[]", answer="['2', 'two']", question_type="open")]
    write_table(pyarrow.Table.from_pylist(questions), tmp_path / "art.parquet")
    choice, free = into(tmp_path, "mmmu", str(tmp_path / "art.parquet"))
    assert choice.prompt.splitlines()[:3] == ["Which is like (picture 1)?", "A. a dog", "B. a cat's tail"]
    assert [picture.name for picture in choice.pictures] == ["validation_Art_1_2.png"]
    assert choice.pictures[0].read_bytes() == encoded()
    assert (choice.right, choice.scoring) == (("B",), Scoring.LETTER)
    assert (free.right, free.scoring) == (("2", "two"), Scoring.EXACT)
    assert "A." not in free.prompt


def test_mmmu_numbers_several_pictures_as_they_are_shown() -> None:
    both = converted(row(question="<image 1> and what?", options="['<image 2>', 'none']"), "", "")
    assert both.prompt == "(picture 1) and what?\nA. (picture 2)\nB. none"
    assert len(both.pictures) == 2
    assert len(converted(row(question="What?"), "", "").pictures) == 2  # it names none: all


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"options": "['a"}, "options"),
        ({"answer": "C"}, "answer"),
        ({"question": "<image 3>?"}, "image_3"),
        ({"image_1": None, "image_2": None, "question": "What?"}, "image_1"),
    ],
)
def test_a_row_that_is_none_of_mmmu_is_refused(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue, match=f"validation_Art_1: {field}"):
        converted(row(**changed), "", "")


def test_answers_that_mmmu_keeps_back_are_not_known() -> None:
    assert converted(row(answer="?"), "", "").right == ()


def test_what_is_not_parquet_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "art.parquet").write_text("not this")
    assert main(["convert", "mmmu", str(tmp_path / "art.parquet"), "--into", str(tmp_path / "made")]) == 2
    assert "Parquet" in capsys.readouterr().err


def mmbench(folder: Path, **changed: str) -> str:
    picture = base64.b64encode(encoded("JPEG")).decode()
    usual = {"question": "What?", "hint": "", "A": "dog", "B": "cat", "C": "", "D": "", "answer": "A", "image": picture}
    lines = [
        {"index": "7", **usual, **changed},
        {"index": "8", **usual, "hint": "Look up.", "C": "sky", "answer": "C", "image": "7"},
        {"index": "1000007", **usual, "A": "cat", "B": "dog", "answer": "B"},
    ]
    with (folder / "dev.tsv").open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(lines[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(lines)
    return str(folder / "dev.tsv")


def test_mmbench_asks_each_question_once_and_finds_the_picture_of_another_line(tmp_path: Path) -> None:
    first, second = into(tmp_path, "mmbench", mmbench(tmp_path))
    assert first.prompt == "What?\nA. dog\nB. cat\nAnswer with the letter of the right option."
    assert second.prompt.startswith("Look up.\nWhat?\nA. dog\nB. cat\nC. sky\n")
    assert (first.right, second.right, first.scoring) == (("A",), ("C",), Scoring.LETTER)
    assert [asked.pictures[0].read_bytes() for asked in (first, second)] == [encoded("JPEG")] * 2
    assert first.pictures[0].name == "7.jpg"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"answer": "C"}, "answer"),
        ({"image": "99"}, "index of no line"),
        ({"image": "no base64 at all, however long it may be: not this, nor that either"}, "no picture in base64"),
        ({"index": "seven"}, "must be a number"),
    ],
)
def test_what_is_not_mmbench_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], sentence: str
) -> None:
    assert main(["convert", "mmbench", mmbench(tmp_path, **changed), "--into", str(tmp_path / "made")]) == 2
    assert sentence in capsys.readouterr().err


def test_a_few_are_drawn_the_same_every_time_and_nothing_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["mmbench", mmbench(tmp_path), "--most", "1"]
    (drawn,) = into(tmp_path, *words)
    assert main(["convert", *words, "--into", str(tmp_path / "again")]) == 0
    assert [asked.prompt for asked in stored(tmp_path / "again")] == [drawn.prompt]
    capsys.readouterr()
    assert main(["convert", *words, "--into", str(tmp_path / "again")]) == 2
    assert "already" in capsys.readouterr().err


def test_without_pyarrow_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not there
    assert main(["convert", "mmmu", str(tmp_path / "art.parquet"), "--into", str(tmp_path / "made")]) == 2
    assert "covspec[bench]" in capsys.readouterr().err
