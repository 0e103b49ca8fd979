"""Which acceptance which speed takes: `python -m benchmarks.virtual sweep`, at the paper's costs and link.

Real traces are brought to a share of agreement: wrong tokens, drawn by chance, are made right, or right ones wrong.
Each keeps its confidence, so that this tells less of what stands than in a real pair.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.speed.foretell import Times, foretell
from benchmarks.virtual.cells import Cell, played, ratio
from benchmarks.virtual.edge import Manner
from benchmarks.virtual.traces import DEPTH, Trace, kept
from device_client.draft.strategy import Strategy
from shared.speculation.coupled import Choice
from shared.speculation.messages import Pace

PAPER = Cell(190, 55, 20, 17.3)
SHARES = (0.6, 0.7, 0.75, 0.8, 0.85, 0.867, 0.9, 0.92, 0.94, 0.96, 0.98)
FORESEEN = 0.6  # of tokens that are made wrong, whose right one is second best: as in the embedded pair
MESSAGE = 0.0003
console = Console(width=140)


def at_share(traces: Sequence[Trace], share: float, seed: int = 0) -> list[Trace]:
    """The same answers, in which the draft agrees with `share` of all tokens."""
    rng = random.Random(seed)
    places = [(number, place) for number, trace in enumerate(traces) for place in range(len(trace.ids))]
    right = {(n, p) for n, p in places if traces[n].ahead[p][0].token == traces[n].ids[p]}
    wanted = round(share * len(places))
    changed = rng.sample(sorted(set(places) - right if wanted > len(right) else right), abs(wanted - len(right)))
    return [_changed(trace, {place for n, place in changed if n == number}, rng) for number, trace in enumerate(traces)]


def _changed(trace: Trace, places: set[int], rng: random.Random) -> Trace:
    """`trace`, right where it was wrong and wrong where it was right, at these places."""
    firsts = [place[0] for place in trace.ahead]
    for place in sorted(places):
        firsts[place] = _turned(firsts[place], trace.ids[place], foreseen=rng.random() < FORESEEN)
    ahead: list[tuple[Choice, ...]] = []
    for begin in range(len(firsts)):
        end = begin  # of what is right, and the first that is not
        while end < len(firsts) - 1 and end - begin < DEPTH and firsts[end].token == trace.ids[end]:
            end += 1
        known = (*firsts[begin : end + 1], *trace.ahead[end][1:])
        ahead.append(known[:DEPTH])
    aside = [
        () if first.runner_up == token else old
        for first, token, old in zip(firsts, trace.ids, trace.aside, strict=True)
    ]
    return Trace(trace.ids, tuple(ahead), tuple(aside))


def _turned(choice: Choice, token: int, *, foreseen: bool) -> Choice:
    if choice.token != token:
        return replace(choice, token=token, runner_up=choice.token)
    other = choice.runner_up if choice.runner_up not in (None, token) else token + 1
    return replace(choice, token=other, runner_up=token if foreseen else None)


def main(words: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.virtual sweep", description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="file of `python -m benchmarks.virtual --traces`")
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES))
    asked = parser.parse_args(words)
    traces = kept(asked.traces)
    table = Table(title="times as fast as the target alone, 190 : 55 ms, 20 ms, 17.3 Mbit/s")
    for head in ("agreement", "two streams", "eager", "of it", "with branches", "of it", "thrifty, with branches"):
        table.add_column(head, justify="right")
    for share in asked.shares:
        table.add_row(f"{share:g}", *_row(at_share(traces, share)))
    console.print(table)
    return 0


def _row(traces: Sequence[Trace]) -> list[str]:
    costs = PAPER.costs(ride=0.1)
    times = Times(costs.draft, costs.step.seconds, costs.round_trip)
    matches = [[place[0].token == token for place, token in zip(t.ahead, t.ids, strict=True)] for t in traces]
    foretold = [foretell(each, times) for each in matches]
    model = sum(each.alone for each in foretold) / sum(each.seconds for each in foretold)
    eager, thrifty = (Manner(pace=pace, message=MESSAGE) for pace in (Pace.EAGER, Pace.THRIFTY))
    plain = ratio(played(traces, costs, Strategy(branching=False), eager))
    branched = ratio(played(traces, costs, Strategy(), eager))
    rounds = ratio(played(traces, costs, Strategy(), thrifty))
    beside = [said for each in (plain, branched) for said in (f"{each:.2f}", f"{each / model:.3f}")]
    return [f"{model:.2f}", *beside, f"{rounds:.2f}"]
