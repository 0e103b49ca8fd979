"""JSON as a client sends it, and what a field of it may hold: a value of ours, or a refusal with the field's path.

Guarantees: whatever the bytes are, there is a value or an InvalidValue. A sentence never repeats a client's value but
short numbers and names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from shared.errors import InvalidValue
from shared.excerpts import Shown, shortened

Fields: TypeAlias = Mapping[str, Any]

MOST_MARKS = 2**20  # brackets, commas and colons of a body: each may cost 100 bytes of memory as a value
_DIGITS = 40  # of a whole number; a longer one is a float, or infinite
_MARKS = (b"[", b"{", b",", b":")


class JsonObject(dict[str, Any]):
    """An object of JSON. `twice`: a name that it gives more than once; what reads it must not choose one of the two."""

    twice: str | None = None


def read_json(body: bytes | bytearray) -> Any:
    """The value in `body`. Raises InvalidValue."""
    if not body.strip():
        raise InvalidValue("body", Shown("empty"), "must be a JSON object")
    if sum(map(body.count, _MARKS)) > MOST_MARKS:
        raise InvalidValue(
            "body", Shown("too intricate"), f"must have at most {MOST_MARKS} brackets, commas and colons"
        )
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        rule = f"must be JSON in UTF-8; byte {broken.start} is not"
        raise InvalidValue("body", Shown("no UTF-8"), rule) from None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_whole_of)
    except json.JSONDecodeError as broken:
        rule = f"must be JSON; it goes wrong in line {broken.lineno} at column {broken.colno}"
        raise InvalidValue("body", Shown("no JSON"), rule) from None
    except RecursionError:
        raise InvalidValue("body", Shown("JSON"), "must not be nested so deeply") from None


def object_of(where: str, value: Any) -> Fields:
    """`value` as an object whose names are each given once."""
    if not isinstance(value, JsonObject):
        raise InvalidValue(where, kind(value), "must be an object")
    if value.twice is not None:
        raise InvalidValue(beneath(where, value.twice), Shown("given twice"), "must be given once")
    return value


def list_of(where: str, value: Any) -> Sequence[Any]:
    """`value` as a list."""
    if not isinstance(value, list):
        raise InvalidValue(where, kind(value), "must be a list")
    return value


def text_of(where: str, value: Any) -> str:
    """`value` as text that can be sent on."""
    if not isinstance(value, str):
        raise InvalidValue(where, kind(value), "must be a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as broken:
            rule = f"must be text that UTF-8 can carry; character {broken.start} is half of a surrogate pair"
            raise InvalidValue(where, Shown("a string"), rule) from None
    return value


def truth_of(where: str, value: Any) -> bool:
    """`value` as true or false."""
    if not isinstance(value, bool):
        raise InvalidValue(where, kind(value), "must be true or false")
    return value


def number_of(where: str, value: Any, low: float, high: float) -> float:
    """`value` as a number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(where, kind(value), "must be a number")
    if not low <= value <= high:  # also refuses NaN
        raise InvalidValue(where, told(value), f"must lie between {low:g} and {high:g}")
    return float(value) + 0.0  # no negative zero


def whole_of(where: str, value: Any, low: int, high: int, besides: str = "") -> int:
    """`value` as a whole number from `low` to `high`; 5.0 is one. `besides`: what else the caller takes, in words."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(where, kind(value), "must be a whole number")
    if not low <= value <= high:
        raise InvalidValue(where, told(value), f"must lie between {low} and {high}{besides}")
    if value != int(value):
        raise InvalidValue(where, told(value), "must be a whole number")
    return int(value)


def beneath(where: str, name: str) -> str:
    """The path of a field, whose name may be a stranger's."""
    name = shortened(name)
    return f"{where}.{name}" if where not in ("", "body") else name


def kind(value: Any) -> Shown:
    """What came instead, without its content, which may be long."""
    match value:
        case None:
            return Shown("nothing")
        case bool():
            return Shown("true" if value else "false")
        case int() | float():
            return told(value)
        case str():
            return Shown("a string")
        case list():
            return Shown("a list")
        case _:
            return Shown("an object")


def told(value: float) -> Shown:
    """A number in a sentence."""
    if isinstance(value, float) and math.isnan(value):
        return Shown("not a number")
    if isinstance(value, float) and math.isinf(value):
        return Shown(f"{'-' if value < 0 else ''}infinite, or too large to be a number here")
    return Shown(shortened(str(value)))


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = JsonObject(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        seen: set[str] = set()
        found.twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return found


def _whole_of(digits: str) -> float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)
