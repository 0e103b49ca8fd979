"""The table of methods, links and temperatures: measured, reported, and data made ready for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(words: Sequence[str]) -> int:
    """Obey; the exit code. A verb loads what it needs alone."""
    match words:
        case ["report", *rest]:
            from benchmarks.table.report.command import report

            return report(rest)
        case ["convert", *rest]:
            from benchmarks.table.convert.command import convert

            return convert(rest)
        case _:
            from benchmarks.table.run import measure

            return measure(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
