"""Words of a command line that are no text are refused before a model is loaded."""

from __future__ import annotations

import pytest

import device_client.__main__ as device
from shared.command_line import run
from shared.demo.pair import HINT, QUESTIONS, packaged_samples

NO_TEXT = "caf\udce9"  # what Python makes of bytes that are not UTF-8


@pytest.mark.parametrize(
    "words",
    [
        ["ask", NO_TEXT],
        ["ask", "hi", "--stop", NO_TEXT],
        ["bench", NO_TEXT],
        ["chat", "--system", NO_TEXT],
        ["chat", "--stop", NO_TEXT],
        ["see", "a.png", NO_TEXT],
    ],
)
def test_bytes_that_are_not_utf_8_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(device.app, words) == 2
    said = capsys.readouterr().err
    assert "UTF-8" in said
    assert "caf" in said
    assert said.startswith("device-client: ")


@pytest.mark.parametrize("verb", ["ask", "chat"])
def test_the_demo_says_once_what_it_understands(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    picture, nowhere = str(packaged_samples()[0].picture), ["--edge", "127.0.0.1:1"]
    words = ["Hello?"] if verb == "ask" else []
    run(device.app, [verb, *words, *nowhere])
    assert capsys.readouterr().err.count(HINT) == 1
    assert len(QUESTIONS) == 5
    run(device.app, [verb, *words, *nowhere, "--draft", "toy"])
    run(device.app, [verb, *words, *nowhere, "--quiet"])
    if verb == "ask":
        run(device.app, [verb, picture, QUESTIONS[0], *nowhere])
    assert HINT not in capsys.readouterr().err
