"""One TOML file for every verb of both ends: read whole, checked whole, whichever verb runs.

Keys at the top are for all verbs of the end that reads; `[edge-server]`, `[device-client]` and the tables of the verbs
(`[serve]`) say the same for one end or one verb alone, and the narrowest counts. Guarantees: a table or a key that no
verb knows, and a value of the wrong type, is refused with file, line and a near name; no value is repeated.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.option_names import DEVICE, EDGE, OPTIONS
from shared.option_values import ConfigurationError, problem

MOST_BYTES = 2**20  # a file of settings is far smaller; something endless is not read to its end
_SHOWN = 40  # characters of a name in a sentence
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
Hints = Mapping[str, Mapping[str, object]]  # of each verb: its options and their types


def read_text(path: Path, what: str = "the file") -> str:
    """The text of `path`, UTF-8 with or without a byte order mark. Raises ConfigurationError."""
    try:
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder, and {what} must be a file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as refused:  # ValueError: a name with a zero byte
        reason = getattr(refused, "strerror", None) or "no file can have this name"
        raise ConfigurationError(f"{path} cannot be read: {reason}") from None
    if len(data) > MOST_BYTES:
        raise ConfigurationError(f"{path} must be at most {MOST_BYTES} bytes")
    if data.startswith(_UTF16) or b"\0" in data[:4]:
        raise ConfigurationError(f"{path} is not UTF-8 but UTF-16 or UTF-32: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        line = data.count(b"\n", 0, broken.start) + 1
        raise ConfigurationError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from None


def parse(path: Path, text: str) -> dict[str, object]:
    """The values in TOML `text`. Raises ConfigurationError."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigurationError(f"{path}: its values are nested too deeply") from None
    except ValueError as broken:  # a TOMLDecodeError, or a number of more digits than Python reads
        found = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(broken))
        where = f", {found[1]}" if found else ""
        twice = str(broken).startswith(("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate"))
        rule = "a name or a table stands here twice" if twice else "this is not TOML (a line is: name = value)"
        raise ConfigurationError(f"{path}{where}: {rule}") from None


@dataclass(frozen=True)
class Setting:
    """A value, and where it stands."""

    value: object
    where: str


class ConfigFile:
    """What `path` says. `hints`: the types of the options of the end that reads it. Raises ConfigurationError."""

    def __init__(self, path: Path, hints: Hints) -> None:
        self._path = path
        self._text = read_text(path, "the configuration")
        self._end = EDGE if EDGE in hints else DEVICE
        self._hints = hints
        self._tables: dict[str, dict[str, Setting]] = {"": {}}
        values = parse(path, self._text)
        for name, value in values.items():
            if name in _TABLES and isinstance(value, dict):
                self._tables[name] = dict(self._checked(name, value))
        self._tables[""] = dict(self._checked("", {k: v for k, v in values.items() if k not in self._tables or not k}))

    def settings(self, verb: str) -> dict[str, Setting]:
        """What holds for `verb`, by the names of its options."""
        merged: dict[str, Setting] = {}
        for table in dict.fromkeys(("", self._end, verb)):
            merged |= self._tables.get(table, {})
        return {name: setting for name, setting in merged.items() if name in OPTIONS[verb]}

    def _checked(self, table: str, values: Mapping[str, object]) -> Iterator[tuple[str, Setting]]:
        known = _names(table or self._end)
        seen: set[str] = set()
        for key, value in values.items():
            name, where = key.replace("-", "_"), self._where(table, key)
            if name not in known or (not table and isinstance(value, dict)):
                raise ConfigurationError(f"{where}: {self._unknown(table, key, value)}")
            if name in seen:
                raise ConfigurationError(f"{where}: {_short(key)} stands here twice")
            seen.add(name)
            wrong = next(filter(None, (problem(value, hint) for hint in self._types(table, name))), None)
            if wrong is not None:
                raise ConfigurationError(f"{where}: {_short(key)} {wrong}")
            yield name, Setting(value, where)

    def _types(self, table: str, name: str) -> Iterator[object]:
        """The types that verbs of this end have for an option."""
        for verb, options in self._hints.items():
            if table in ("", self._end, verb) and name in options:
                yield options[name]

    def _unknown(self, table: str, key: str, value: object) -> str:
        name = key.replace("-", "_")
        if not table and isinstance(value, dict):
            return f"there is no table {_short(key)} ({', '.join(_TABLES)}){_near(key, _TABLES)}"
        if not table and key in _TABLES:
            return f"{_short(key)} is a table: write [{key}]"
        if name.removeprefix("no_") in _names(table or self._end):
            return f"there is no {_short(key)}: write {name.removeprefix('no_')} = false"
        other = DEVICE if self._end == EDGE else EDGE
        if not table and name in _names(other):
            return f"{_short(key)} is an option of {other}: it stands below [{other}]"
        users = [verb for verb in OPTIONS if name in OPTIONS[verb]] if table else []
        if users:
            return f"[{table}] has no {_short(key)}, which is an option of {', '.join(users)}"
        return f"there is no option {_short(key)}{_near(name, _names(table or self._end))}"

    def _where(self, table: str, key: str) -> str:
        """The file and the line of a key, or its table where the line is not found."""
        current = ""
        for number, line in enumerate(self._text.splitlines(), start=1):
            if header := re.match(r"\s*\[+\s*[\"']?([^\"'\]]+?)[\"']?\s*\]", line):
                current = header[1].partition(".")[0].strip()
                if not table and current == key:
                    return f"{self._path}, line {number}"
            elif current == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
                return f"{self._path}, line {number}"
        return f"{self._path}, [{table}]" if table else str(self._path)


_TABLES = (EDGE, DEVICE, *(verb for verb in OPTIONS if verb != EDGE))


def _names(table: str) -> frozenset[str]:
    """The options that `table` may have: those of a verb, or of all verbs of an end."""
    if table == DEVICE:
        return frozenset(name for verb, names in OPTIONS.items() if verb != EDGE for name in names)
    return frozenset(OPTIONS[table])


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower().strip("-"), sorted(names), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _short(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")
