"""What was seen, a line of JSON for each question, so that a long run can be cut anywhere and goes on.

Guarantees: a question that was written is not asked again; a line that a cut left half is asked again; rows of other
models are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.pruning.measure import Bare, Seen
from shared.errors import InvalidValue


@dataclass(frozen=True)
class Row:
    """One question, `number` of the held-out scenes: bare, and by pruner once for each of `BUDGETS`."""

    number: int
    bare: Bare
    pruned: Mapping[str, Sequence[Seen]]


class Rows:
    """The rows of `models`, target and draft, in `file`; None: they are kept nowhere. Raises InvalidValue."""

    def __init__(self, models: tuple[str, str], file: Path | None) -> None:
        self._models = list(models)
        self._file = file
        self._found: dict[int, Row] = {}
        for line in file.read_text().splitlines() if file is not None and file.exists() else ():
            self._read(line)

    def get(self, number: int, names: Sequence[str]) -> Row | None:
        """The row of that question, if all pruners `names` are in it."""
        row = self._found.get(number)
        return row if row is not None and set(names) <= set(row.pruned) else None

    def add(self, row: Row) -> None:
        """Keep a row."""
        self._found[row.number] = row
        if self._file is not None:
            with self._file.open("a") as lines:
                lines.write(json.dumps({"models": self._models, **_plain(row)}) + "\n")

    def _read(self, line: str) -> None:
        try:
            values = json.loads(line)
        except ValueError:  # cut while it was written
            return
        if values["models"] != self._models:
            raise InvalidValue("rows", values["models"], f"must be rows of {self._models}")
        bare = Bare(_seen(values["everything"]), _seen(values["nothing"]), values["see"])
        pruned = {name: [_seen(one) for one in row] for name, row in values["pruned"].items()}
        self._found[values["number"]] = Row(values["number"], bare, pruned)


def _plain(row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "see": row.bare.see,
        "everything": _told(row.bare.everything),
        "nothing": _told(row.bare.nothing),
        "pruned": {name: [_told(one) for one in seen] for name, seen in row.pruned.items()},
    }


def _told(seen: Seen) -> dict[str, Any]:
    return asdict(seen) | {"matches": "".join(str(int(match)) for match in seen.matches)}


def _seen(values: dict[str, Any]) -> Seen:
    return Seen(**values | {"matches": tuple(match == "1" for match in values["matches"])})
