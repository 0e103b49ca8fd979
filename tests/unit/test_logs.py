"""What a log line says, and that it says nothing of what a person asked."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from shared.logs import REQUEST, JsonLines, RequestLog, TextLines, about, facts

SECRET = "the words of a person"


def record(level: int = logging.INFO, extra: dict[str, object] | None = None, **changes: object) -> logging.LogRecord:
    made = logging.LogRecord("edge", level, __file__, 1, "said %s", ("so",), None)
    for name, value in ({**(extra or {})} | changes).items():
        setattr(made, name, value)
    return made


def broken() -> logging.LogRecord:
    try:
        raise ValueError(SECRET)
    except ValueError:
        return record(exc_info=sys.exc_info())


def test_a_json_line_is_one_object_with_its_facts() -> None:
    line = json.loads(JsonLines().format(record(extra=dict(facts(tokens=3, gone=None)) | dict(about("r1")))))
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "info", "logger": "edge", "message": "said so", "request": "r1", "tokens": 3}


def test_a_text_line_has_the_same_and_is_brief_for_a_person() -> None:
    told = record(extra=dict(facts(tokens=3)) | dict(about("r1")))
    assert TextLines().format(told).endswith("INFO edge: said so request=r1 tokens=3")
    assert TextLines("device: ").format(told) == "device: said so request=r1 tokens=3"
    assert TextLines("device: ").format(record(logging.WARNING, dict(about("r1")))) == "device: said so"


@pytest.mark.parametrize("lines", [TextLines, JsonLines])
def test_an_exceptions_words_are_told_at_level_debug_alone(lines: type[TextLines | JsonLines]) -> None:
    said = lines().format(broken())
    assert "ValueError" in said
    assert f"{__file__}:" in said
    assert SECRET not in said
    assert SECRET in lines(whole=True).format(broken())


def test_asyncios_description_of_a_task_stays_away() -> None:
    made = record(name="asyncio", msg=f"Task exception was never retrieved\nfuture: {SECRET}", args=())
    assert SECRET not in TextLines().format(made) + JsonLines().format(made)


def test_lines_of_an_answer_have_its_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    RequestLog(logging.getLogger("device"), "r2").info("over", extra=facts(tokens=4))
    line = json.loads(JsonLines().format(caplog.records[-1]))
    assert (line["request"], line["tokens"]) == ("r2", 4)
    token = REQUEST.set("r3")
    assert json.loads(JsonLines().format(record()))["request"] == "r3"
    REQUEST.reset(token)
