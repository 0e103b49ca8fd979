"""What made the cells of a file: machine, models, link and command, a line of JSON before the cells that it made.

Guarantees: a file may hold any number of such lines; whoever reads cells passes over them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.errors import InvalidValue

_FIELD = "made"


@dataclass(frozen=True)
class Made:
    """A run in a person's words. `ends`: what both ends were, and what joined them."""

    command: str
    machine: str
    ends: str

    def as_json(self) -> str:
        """One line."""
        return json.dumps({_FIELD: asdict(self)})


def made_of(values: Any) -> Made | None:
    """What a line's value tells of a run; None if it is no such line. Raises InvalidValue if it is a broken one."""
    if not isinstance(values, dict) or _FIELD not in values:
        return None
    told = values[_FIELD]
    if not isinstance(told, dict) or set(told) != {"command", "machine", "ends"}:
        raise InvalidValue(_FIELD, told, "must tell command, machine and ends, and nothing else")
    return Made(**{name: str(value) for name, value in told.items()})


def read_made(file: Path) -> list[Made]:
    """The runs of a file, each once, in their order."""
    found = [made_of(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    return list(dict.fromkeys(made for made in found if made is not None))


def append_made(file: Path, made: Made) -> None:
    """Write it behind what is there."""
    with file.open("a", encoding="utf-8") as opened:
        opened.write(made.as_json() + "\n")
