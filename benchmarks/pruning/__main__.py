"""`python -m benchmarks.pruning`: agreement of the draft with the target's own answers, by pruner and budget.

Held-out rich scenes; teacher-forced along the target's greedy answers. Prints tables.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.pruning.gain import table
from benchmarks.pruning.measure import BUDGETS, at_every_budget, bare
from benchmarks.pruning.report import Found, tables, values
from benchmarks.pruning.rows import Row, Rows
from benchmarks.pruning.scenes import REPORTED, case
from device_client.prune.wish import PRUNERS, Choice, parse_choice
from shared.demo.pair import draft_folder, target_folder
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.threads import pin_process

SEEDS = 3  # of random: its questions take these in turn
ABLATIONS = ("activity+rank", "relevance+rank", "relevance+activity", "relevance", "activity", "rank")
NAMES = (
    *(name for name in PRUNERS if name not in ("none", "text-only")),
    *(f"covspec:{parts}" for parts in ABLATIONS),
)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default=str(target_folder()))
    parser.add_argument("--draft", default=str(draft_folder()))
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--first", type=int, default=REPORTED, help="number of the first held-out scene")
    parser.add_argument("--pruner", action="append", help="these alone, such as covspec or covspec:activity+rank")
    parser.add_argument(
        "--rows", type=Path, help="file for what is seen, question by question: a cut run goes on there"
    )
    parser.add_argument("--out", type=Path, help="file for the tables' values, JSON lines for plots")
    asked = parser.parse_args()
    sys.stdout.write(f"{machine()}\n\n")
    pin_process(1)
    names = tuple(asked.pruner or NAMES)
    models = load(asked.target), load(asked.draft)
    rows = Rows((models[0].info.name, models[1].info.name), asked.rows)
    found = Found.of(_row(rows, models, names, asked.first + place) for place in range(asked.questions))
    sys.stdout.write(tables(found, names))
    shown = "covspec" if "covspec" in names else names[0]
    columns = {f"{part:.1%}": seen for part, seen in zip(BUDGETS, found.pruned[shown], strict=True)}
    sys.stdout.write(f"\nForetold speed by target alone, pruned by {shown}:\n\n")
    sys.stdout.write(table({"all": found.everything, **columns, "none": found.nothing}))
    if asked.out is not None:
        asked.out.write_text("".join(json.dumps(value) + "\n" for value in values(found, names)))


def _row(rows: Rows, models: tuple[Vlm, Vlm], names: Sequence[str], number: int) -> Row:
    """A question, asked unless it was."""
    known = rows.get(number, names)
    if known is not None:
        return known
    asked = case(*models, number)
    pruned = {name: list(at_every_budget(asked, _choice(name, number))) for name in names}
    row = Row(number, bare(asked), pruned)
    rows.add(row)
    return row


def _choice(name: str, number: int) -> Choice:
    return parse_choice(f"random:{number % SEEDS}" if name == "random" else name)


if __name__ == "__main__":
    main()
