"""Questions of a folder or a file are read as they stand, and what is wrong in them is said with its place."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.table.questions import scenes, stored
from benchmarks.table.score import Scoring, plain, score
from shared.errors import InvalidValue


def picture(file: Path) -> Path:
    Image.new("RGB", (8, 8)).save(file)
    return file


def test_a_file_of_lines_names_its_pictures_beside_itself(tmp_path: Path) -> None:
    one, other = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    lines = [
        {"image": "a.png", "question": "What?", "answer": "A dog."},
        {"image": ["a.png", "b.png"], "question": "Which?", "answer": ["A"], "scoring": "letter"},
        {"image": "b.png", "question": "And now?"},
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    for source in (tmp_path, tmp_path / "questions.jsonl"):
        first, second, third = stored(source)
        assert (first.pictures, first.prompt, first.right) == ((one,), "What?", ("A dog.",))
        assert (second.pictures, second.scoring) == ((one, other), Scoring.LETTER)
        assert third.right == ()


def test_a_folder_of_pictures_has_a_question_beside_each(tmp_path: Path) -> None:
    shown = picture(tmp_path / "dog.png")
    picture(tmp_path / "nobody-asks.png")
    (tmp_path / "dog.json").write_text(json.dumps({"question": "What?", "answer": "dog"}))
    (asked,) = stored(tmp_path)
    assert (asked.pictures, asked.right) == ((shown,), ("dog",))


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("{", "questions.jsonl:1"),
        ("[]", "questions.jsonl:1"),
        ('{"image": "gone.png", "question": "What?"}', "question 1: image"),
        ('{"image": "a.png"}', "question 1: question"),
        ('{"image": "a.png", "question": "What?", "answer": 3}', "question 1: answer"),
        ('{"image": "a.png", "question": "What?", "scoring": "luck"}', "question 1: scoring"),
        ("", "data"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, line: str, place: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "questions.jsonl").write_text(line)
    with pytest.raises(InvalidValue, match=place):
        stored(tmp_path)


def test_scenes_are_the_same_every_time(tmp_path: Path) -> None:
    one, again = (list(islice(scenes(tmp_path, 1000), 3)) for _ in range(2))
    assert one == again
    assert all(asked.pictures[0].exists() and asked.right for asked in one)


@pytest.mark.parametrize(
    ("said", "right", "scoring", "worth"),
    [
        ("The dog is on the left.", ["the dog is on left"], Scoring.EXACT, 1.0),
        ("There are two things.", ["There are 2 things."], Scoring.EXACT, 1.0),
        ("a cat", ["dog"], Scoring.EXACT, 0.0),
        ("B. a cat", ["B"], Scoring.LETTER, 1.0),
        ("(b)", ["B"], Scoring.LETTER, 1.0),
        ("The answer is C", ["C"], Scoring.LETTER, 1.0),
        ("B a cat", ["B"], Scoring.LETTER, 1.0),
        ("A is right", ["A"], Scoring.LETTER, 1.0),
        ("a)", ["A"], Scoring.LETTER, 1.0),
        ("Answer: A\nThe cat sits.", ["A"], Scoring.LETTER, 1.0),
        ("A man rides a bicycle.", ["A"], Scoring.LETTER, 0.0),  # an article, or who speaks
        ("The answer is a man", ["A"], Scoring.LETTER, 0.0),
        ("I see a cat", ["I"], Scoring.LETTER, 0.0),
        ("A", ["B"], Scoring.LETTER, 0.0),
        ("Because of that", ["B"], Scoring.LETTER, 0.0),
        ("yes", ["yes"] * 2 + ["no"] * 8, Scoring.VOTE, 2 / 3),
        ("no", ["yes"] * 2 + ["no"] * 8, Scoring.VOTE, 1.0),
    ],
)
def test_an_answer_is_judged_by_the_custom_of_its_data(
    said: str, right: list[str], scoring: Scoring, worth: float
) -> None:
    assert score(said, right, scoring) == pytest.approx(worth)


def test_marks_within_numbers_stay() -> None:
    assert plain("It costs 1,000.50.") == "it costs 1,000.50"
