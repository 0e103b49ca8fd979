"""A refusal repeats a short piece of what was sent, on one line, and no secret of a URL."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import errors
from shared.errors import CovspecError, InvalidValue
from shared.excerpts import LONGEST_SENTENCE, LONGEST_VALUE, Shown, excerpt, named

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CovspecError)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=60,
)
LARGE = {
    "text": "x" * 5_000_000,
    "controls": "\x1b[2J\r\n\u202e\u2028" * 1_000_000,
    "surrogates": "\ud800" * 1_000_000,
    "bytes": b"x" * 5_000_000,
    "number": 10**4_000_000,
    "list": ["x" * 1000] * 1_000_000,
    "object": {f"{at}" * 1000: "y" * 1000 for at in range(1000)},
    "names": {"x" * 5_000_000: 1},
    "nested": [[[["x" * 5_000_000]]]],
    "words": Shown("x" * 5_000_000),
}


@given(JSON)
def test_any_value_has_a_short_printable_excerpt(value: object) -> None:
    told = excerpt(value)
    assert told
    assert len(told) <= LONGEST_VALUE
    assert told.isprintable()
    assert not told.startswith(("b'", 'b"', "bytearray"))


@pytest.mark.parametrize("what", LARGE)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_refusal_repeats_what_is_large(kind: type[CovspecError], what: str) -> None:
    value = LARGE[what]
    begin = time.process_time()
    made: list[CovspecError] = [kind("field", value, "rule")] if issubclass(kind, InvalidValue) else []
    if isinstance(value, str):
        made += [kind(value, value, value)] if issubclass(kind, InvalidValue) else [kind(value)]
    assert time.process_time() - begin < 1.0  # it would be a second for each 5 MB otherwise
    for error in made:
        assert len(str(error)) <= LONGEST_SENTENCE
        assert str(error).isprintable()
        assert len(getattr(error, "field", None) or "") <= LONGEST_SENTENCE


def test_short_values_are_shown_as_they_are() -> None:
    for value in (2.0, "", "a 'quoted' word", None, True, 2**31, (8000, 8000), [], ["user", "robot"], {"a": 1}, (1,)):
        assert excerpt(value) == repr(value)


def test_bytes_are_told_as_text_or_by_their_number() -> None:
    assert excerpt(b"%PDF-1.4") == "'%PDF-1.4'"
    assert excerpt(b"\x89PNG\r\n\x1a\n") == "8 bytes"
    assert excerpt(b"") == "0 bytes"
    assert excerpt([b"\0"]) == "[1 byte]"


@pytest.mark.parametrize("secret", ["user:pass", "us@er:p@ss", "token", "u:" + "p" * 100_000, "user:p ss"])
def test_a_url_is_told_without_its_user_and_password(secret: str) -> None:
    url = f"https://{secret}@example.com/a.png?x=1"
    for told in (excerpt(url), named(url), str(InvalidValue(url, {"url": [url]}, "cannot be fetched"))):
        assert secret[-5:] not in told
        assert "://…" in told
    if len(secret) < 100:
        assert excerpt(url) == "'https://…@example.com/a.png?x=1'"


def test_an_address_without_a_user_is_told_whole() -> None:
    assert excerpt("http://example.com/@someone/a.png") == "'http://example.com/@someone/a.png'"
    assert excerpt("somebody@example.com") == "'somebody@example.com'"


def test_nobody_writes_a_value_into_a_sentence_as_python_would() -> None:
    """Each sentence shows values by `excerpt`, which bounds them; `!r` in an f-string does not."""
    found = []
    for path in (path for room in ("shared", "edge_server", "device_client") for path in Path(room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and any(
                isinstance(part, ast.FormattedValue) and part.conversion == ord("r") for part in ast.walk(node)
            ):
                found.append(f"{path}:{node.lineno}")
    assert [place for place in found if not place.startswith("device_client/__init__.py")] == []  # Python's own words
