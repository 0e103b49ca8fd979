"""`python -m benchmarks.pruning`: agreement of the draft with the target's own answers, by pruner and budget.

Held-out rich scenes; teacher-forced along the target's greedy answers. Prints tables; `--out` keeps the rows as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.pruning.gain import table, times_as_fast
from benchmarks.pruning.measure import BUDGETS, Bare, Seen, at_every_budget, bare
from benchmarks.pruning.report import Found, tables, values
from benchmarks.pruning.scenes import REPORTED, cases
from device_client.prune.wish import PRUNERS, parse_choice
from shared.demo.pair import draft_folder, target_folder
from shared.vlm.load import load
from shared.vlm.threads import pin_process

SEEDS = 3  # of random: its questions take these in turn
ABLATIONS = ("activity+rank", "relevance+rank", "relevance+activity")
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
    parser.add_argument("--out", type=Path, help="file for the rows, as JSON")
    asked = parser.parse_args()
    sys.stdout.write(f"{machine()}\n\n")
    pin_process(1)
    target, draft = load(asked.target), load(asked.draft)
    names = asked.pruner or list(NAMES)
    bares: list[Bare] = []
    pruned: dict[str, list[list[Seen]]] = {name: [[] for _ in BUDGETS] for name in names}
    for number, case in enumerate(cases(target, draft, asked.questions, asked.first)):
        bares.append(bare(case))
        for name in names:
            choice = parse_choice(f"random:{number % SEEDS}" if name == "random" else name)
            for row, seen in zip(pruned[name], at_every_budget(case, choice), strict=True):
                row.append(seen)
    found = Found(bares, pruned)
    sys.stdout.write(tables(found))
    shown = pruned.get("covspec") or next(iter(pruned.values()))
    columns = {"all": found.everything} | {f"{p:.1%}": seen for p, seen in zip(BUDGETS, shown, strict=True)}
    sys.stdout.write(
        f"\nForetold speed by target alone, pruned by {'covspec' if 'covspec' in pruned else names[0]}:\n\n"
    )
    sys.stdout.write(table({**columns, "none": found.nothing}))
    if asked.out is not None:
        gains = {name: times_as_fast(seen, 1.0) for name, seen in columns.items()}
        asked.out.write_text(json.dumps({"machine": machine(), **values(found), "foretold": gains}, indent=1) + "\n")


if __name__ == "__main__":
    main()
