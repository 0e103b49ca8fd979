"""Whether a value is of an option's type, for values of a file and texts of the environment. No value is repeated."""

from __future__ import annotations

import difflib
import os
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from shared.errors import CovspecError, InvalidValue
from shared.excerpts import Shown

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_RULES: dict[object, str] = {
    bool: "must be true or false",
    int: "must be a whole number",
    float: "must be a number",
    str: "must be text, in quotes",
    Path: "must be a file's name, in quotes",
}


class ConfigurationError(CovspecError):
    """A file or a variable says what no option takes. Its text names the file and the line; it crosses no wire."""


def check_types(options: object) -> None:
    """Refuse what a program has set to a value that its option cannot have. Raises InvalidValue.

    A file's name may be a string or any path.
    """
    for name, hint in get_type_hints(type(options)).items():
        value = getattr(options, name)
        if value is None and plain(hint) is not hint:
            continue
        if (rule := problem(_basic(value), hint)) is not None:
            is_choice = get_origin(plain(hint)) is Literal and isinstance(value, str)
            told = value if is_choice else Shown(f"of the type {type(value).__name__}")
            raise InvalidValue(name, told, rule.removesuffix(", in quotes"))


def _basic(value: object) -> object:
    """A value as a file would have it: of Python's own types, a path as text."""
    match value:
        case bool():
            return value
        case os.PathLike():
            return os.fspath(value)
        case str():
            return str(value)
        case Integral():
            return int(value)
        case Real():
            return float(value)
    return value


def problem(value: object, hint: object) -> str | None:
    """What is wrong with a file's `value` for an option of the type `hint`; None if nothing is."""
    kind = plain(hint)
    if get_origin(kind) is tuple:
        single = [value] if isinstance(value, str) else value
        if isinstance(single, list) and all(isinstance(each, str) for each in single):
            return None
        return "must be text, or a list of texts, in quotes"
    if get_origin(kind) is Literal:
        return _choice(value, get_args(kind))
    if kind is Path:
        return None if isinstance(value, str) and "\0" not in value else _RULES[Path]
    if kind is float:
        return None if isinstance(value, int | float) and not isinstance(value, bool) else _RULES[float]
    return None if type(value) is kind else _RULES[kind]


def text_problem(text: str, hint: object) -> str | None:
    """The same for the text of a variable."""
    kind = plain(hint)
    if kind is bool:
        return None if text.lower() in (*_YES, *_NO) else "must be true or false"
    if get_origin(kind) is Literal:
        return _choice(text, get_args(kind))
    if kind in (int, float):
        try:
            float(text) if kind is float else int(text)
        except ValueError:
            return _RULES[kind]
    return None


def plain(hint: object) -> object:
    """A type without its None."""
    if get_origin(hint) in (Union, UnionType):
        (kind,) = (each for each in get_args(hint) if each is not NoneType)
        return kind
    return hint


def _choice(value: object, choices: tuple[object, ...]) -> str | None:
    if value in choices and isinstance(value, str):
        return None
    near = difflib.get_close_matches(value.lower(), map(str, choices), 1) if isinstance(value, str) else []
    asked = f"; did you mean {near[0]}?" if near else ""
    return f"must be one of {', '.join(map(str, choices))}{asked}"
