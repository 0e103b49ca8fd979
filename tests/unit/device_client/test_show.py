"""What reaches stdout: the answer as it is, and for a terminal nothing that drives it."""

from __future__ import annotations

import io
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


def test_what_the_encoding_lacks_is_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, "never", Source.DRAFT, "snow ☃", encoding="ascii") == "snow \\u2603"
