"""The table of methods, links and temperatures: measured, reported, and data made ready for it."""

from __future__ import annotations

import sys

from benchmarks.table.run import measure

if __name__ == "__main__":
    sys.exit(measure(sys.argv[1:]))
