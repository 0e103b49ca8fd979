"""Acceptance over kept tokens: what `python -m benchmarks.pruning --out` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table.report.markdown import table
from shared.errors import InvalidValue


@dataclass(frozen=True)
class Kept:
    """A pruner at a budget: the share of visual tokens that is kept, and the share of tokens the draft then says."""

    pruner: str
    share: float
    acceptance: float
    prefill_ms: float


def read_kept(file: Path) -> list[Kept]:
    """In their order. Raises InvalidValue with the line that is none."""
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            told = json.loads(line)
            figures = (float(told[name]) for name in ("kept_share", "acceptance", "prefill_ms"))
            found.append(Kept(str(told["pruner"]), *figures))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidValue(f"{file}:{number}", line[:60], "is none of `benchmarks.pruning --out`") from error
    return found


def kept_table(kept: Sequence[Kept]) -> str:
    """By pruner and share; nothing if there is none."""
    if not kept:
        return ""
    shares = sorted({round(each.share, 2) for each in kept}, reverse=True)
    at = {(each.pruner, round(each.share, 2)): f"{each.acceptance:.3f}" for each in kept}
    names = list(dict.fromkeys(each.pruner for each in kept))
    rows = [[f"`{name}`", *(at.get((name, share), "") for share in shares)] for name in names]
    head = (
        "## Acceptance over kept visual tokens\n\nShare of the target's tokens that the draft says (`docs/pruning.md`)."
    )
    return f"{head}\n\n" + table(["kept", *(f"{share:.0%}" for share in shares)], rows)
