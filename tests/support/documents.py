"""The commands of a document, in their order.

Lines after `$ ` of fenced blocks `console`, and blocks `python` that have `<!-- run -->` right before them (others may
be fragments). `<!-- not run: REASON -->` right before a console block keeps it from being run; its commands are still
checked: our own verbs must parse, make's targets and Python's modules must be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n|<!-- (?P<run>run) -->\n)?```(?P<kind>console|python)\n(?P<body>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A command for a shell, or a Python program. `reason`: why it is not run, or None."""

    kind: str
    text: str
    reason: str | None


def steps(document: Path) -> Iterator[Step]:
    """What the document tells its reader to run."""
    for block in _BLOCK.finditer(document.read_text(encoding="utf-8")):
        if block["kind"] == "python":
            if block["run"] is not None:
                yield Step("python", block["body"], None)
            continue
        for command in _COMMAND.finditer(block["body"]):
            yield Step("console", command[1].replace("\\\n", " "), block["reason"])
