"""What reaches stdout: the answer as it is, and for a terminal nothing that drives it."""

from __future__ import annotations

import io
import json
import sys

import pytest

from device_client.answer import Piece, Source
from device_client.show import Screen

TEXT = ":smile: a\tb\r[bold]x[/] \x07"


def shown(
    monkeypatch: pytest.MonkeyPatch, colour: str, source: Source, text: str = TEXT, encoding: str = "utf-8"
) -> str:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, newline=""))
    Screen(colour, as_json=False).piece(Piece(text, source))  # type: ignore[arg-type]
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("source", list(Source))
def test_what_is_redirected_is_the_answer_and_nothing_else(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    assert shown(monkeypatch, "auto", source) == TEXT


def test_a_terminal_is_coloured_but_not_driven(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, "always", Source.TARGET, "a\tb\n\x1b]0;title\x07")
    assert text.startswith("\x1b[1;33m")
    assert "a\tb" in text
    assert "\x1b]" not in text
    assert "\x07" not in text


@pytest.mark.parametrize(
    ("place", "said"),
    [(1, "next"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st"), (113, "113th")],
)
def test_a_place_in_line_is_said_beside_the_answer(place: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Screen("auto", as_json=False).queued(place)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"waiting for a place at the edge: {said} in line\n")


def test_what_the_encoding_lacks_is_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, "never", Source.DRAFT, "snow ☃", encoding="ascii") == "snow \\u2603"


def provisional_then(monkeypatch: pytest.MonkeyPatch, colour: str, *, back: bool, as_json: bool = False) -> str:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8", newline=""))
    screen = Screen(colour, as_json=as_json)  # type: ignore[arg-type]
    screen.piece(Piece("It is", Source.DRAFT))
    screen.provisional(" a dog")
    screen.provisional(" a dog.")
    if back:
        screen.provisional("")
        screen.piece(Piece(" a cat.", Source.TARGET))
    else:
        screen.end_alone("It is", " a dog.")
    sys.stdout.flush()
    return raw.getvalue().decode()


def test_what_is_redirected_never_holds_what_may_be_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert provisional_then(monkeypatch, "auto", back=True) == "It is a cat."
    assert provisional_then(monkeypatch, "auto", back=False) == "It is a dog.\n"
    assert json.loads(provisional_then(monkeypatch, "auto", back=False, as_json=True)) == {
        "text": "It is a dog.",
        "confirmed": "It is",
        "source": "draft alone behind what is confirmed",
    }


def test_a_terminal_shows_what_is_provisional_dim_and_then_the_answer_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    text = provisional_then(monkeypatch, "always", back=True)
    assert text.startswith("It is\x1b[2m a dog\x1b[0m\x1b[2m.\x1b[0m\nIt is\x1b[")
    assert " a cat." in text
