"""`python -m benchmarks.memory [FOLDER ...]`: the table of docs/models.md, or the same for models of yours.

A folder needs its config.json alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.memory.count import Size, size_of
from benchmarks.memory.shapes import SHAPES

HEAD = "| model | weights | bfloat16 | int8 | 4 bit | 1000 tokens of context |"


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Memory of models, by shape.")
    parser.add_argument("folder", nargs="*", type=Path, help="folders with a config.json; none: the known ones")
    _say(HEAD)
    _say("|---" + "|---:" * 5 + "|")
    for name, size in _sizes(parser.parse_args().folder):
        _say(row(name, size))
    return 0


def row(name: str, size: Size) -> str:
    """A line of the table."""
    weights = f"{size.weights / 1e9:.2f} B"
    formats = " | ".join(f"{size.gib(form):.1f} GiB" for form in ("bfloat16", "int8", "4bit"))
    return f"| {name} | {weights} | {formats} | {size.cache_mib(1000):.0f} MiB |"


def _sizes(folders: list[Path]) -> Iterator[tuple[str, Size]]:
    if not folders:
        yield from ((name, size_of(*shape)) for name, shape in SHAPES.items())
    for folder in folders:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        yield folder.name, size_of(config.pop("model_type"), config)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
