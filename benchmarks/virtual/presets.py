"""Every preset replayed on the virtual clock, as cells of the table: `python -m benchmarks.virtual presets`.

Target and draft cost what the paper's do, 190 and 55 ms, and the vocabulary has as many ids as the paper's; what the
draft says, and whether it stands, is the embedded pair's. A preset is replayed from traces of its own way of drafting:
its pruner, its rule, its gate.
"""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import torch
from rich.console import Console

from benchmarks.machine import machine
from benchmarks.speed.pairs import of_pairs
from benchmarks.table import cell as table
from benchmarks.table.links import LINKS
from benchmarks.table.made import Made, append_made
from benchmarks.table.methods import METHOD_NAMES, METHODS, PRESET_NAMES, MethodName
from benchmarks.table.tally import LEAST, SAME, exactness
from benchmarks.virtual.cells import Cell, control
from benchmarks.virtual.device import PAPER_IDS, Costs, Replayed, VirtualDevice
from benchmarks.virtual.edge import Manner
from benchmarks.virtual.judged import Way, trace
from benchmarks.virtual.traces import Trace, kept, record
from benchmarks.virtual.wire import FRAME
from device_client.draft.calibration import Calibration
from device_client.draft.strategy import Strategy
from device_client.presets import Setting
from shared.speculation.messages import Evidence, Judging, Pace, Rule

STEP, DRAFT, RIDE, WORD = 190.0, 55.0, 0.1, 0.0003  # ms, ms, drafts, seconds
SETTING = f"{STEP:g} : {DRAFT:g}, {PAPER_IDS} ids"
console = Console(width=160)


@dataclass(frozen=True)
class Place:
    """A link and a temperature. `traces`: of any way of drafting, of the same questions in the same order."""

    link: table.LinkShape
    temperature: float
    traces: Callable[[Way], Sequence[Trace]]

    @property
    def own(self) -> list[tuple[int, ...]]:
        """The target's own answers."""
        return [each.ids for each in self.traces(Way(prune="none"))]


def paper_costs(link: table.LinkShape) -> Costs:
    """Those of the paper, over a link."""
    costs = Cell(STEP, DRAFT, link.round_trip_ms, link.mbit).costs(RIDE)
    return replace(costs, loss=link.loss, rows=PAPER_IDS)


def played(settings: Mapping[str, Setting], costs: Costs, word: float, traces: Sequence[Trace]) -> list[Replayed]:
    """All answers one after the other, by a preset. `word`: seconds that one costs the edge."""
    rule, evidence = Rule(str(settings.get("rule", "coupled"))), Evidence(str(settings.get("evidence", "scalar")))
    judging = Judging(rule, evidence, lossy="gate" in settings)
    strategy = Strategy(
        settings.get("policy", "marginal"),  # type: ignore[arg-type]
        lockstep=bool(settings.get("lockstep", False)),
        branching=bool(settings.get("branches", True)),
    )
    window, pace = int(settings.get("window", 16)), Pace(str(settings.get("pace", "eager")))
    bonus, nodes = bool(settings.get("bonus", True)), int(settings.get("tree", 0))
    manner = Manner(window, pace=pace, message=word, bonus=bonus, nodes=nodes)
    closes = strategy.lockstep and bonus and rule is Rule.REJECTION
    calibration, answers = Calibration(), list[Replayed]()
    for each in traces:
        driven = replace(control(strategy, manner, calibration), closes=closes)
        answers.append(VirtualDevice(each, costs, driven, manner, judging).run())
    return answers


def cell(method: MethodName, place: Place) -> table.Cell:
    """The cell of a preset."""
    settings = METHODS[method]
    if method == "edge-only":
        return _alone(method, place, STEP)
    if settings.get("alone"):
        return _alone(method, place, DRAFT)
    traces = place.traces(Way.of(settings, place.temperature))
    answers = played(settings, paper_costs(place.link), WORD, traces)
    tokens, steps = sum(each.tokens for each in answers), sum(each.steps for each in answers)
    computed = sum(each.computed for each in answers)
    owed = exactness(method, place.temperature)
    same = [each.ids == own for each, own in zip(traces, place.own, strict=True)]
    long = [each for each in answers if each.tokens >= LEAST]
    gaps = [1e3 * (later - sooner) for each in answers for sooner, later in pairwise(each.arrivals)]
    corrections = sum(each.corrections for each in answers)
    return _cell(
        method,
        place,
        answers=len(answers),
        tokens=tokens,
        tokens_per_second=median((each.tokens - 1) / each.seconds for each in long),
        ratio=of_pairs([each.alone / each.seconds for each in long]),
        inter_token_p50_ms=float(np.percentile(gaps, 50)),
        inter_token_p99_ms=float(np.percentile(gaps, 99)),
        accepted_per_step=sum(each.accepted for each in answers) / steps,
        passes_per_token=steps / tokens,
        target_tokens_per_token=computed / tokens,
        sent=tuple(_sent(answers, tokens)),
        agreement=fmean(same),
        differing=same.count(False),
        unverified=sum(each.unverified for each in answers) / tokens if owed is table.Exact.LOSSY else None,
        corrections=corrections,
        foreseen=sum(each.foreseen for each in answers) if settings.get("branches", True) else None,
        draft_agreement=sum(each.agreement * len(each.ids) for each in traces) / tokens,
    )


def _alone(method: MethodName, place: Place, milliseconds: float) -> table.Cell:
    """One model alone: it says a token every so often, and nothing is judged."""
    lengths = [len(ids) for ids in place.own]
    ratio = of_pairs([STEP / milliseconds] * len(lengths)) if milliseconds != STEP else SAME
    return _cell(
        method,
        place,
        answers=len(lengths),
        tokens=sum(lengths),
        tokens_per_second=1e3 / milliseconds,
        ratio=ratio,
        inter_token_p50_ms=milliseconds,
        inter_token_p99_ms=milliseconds,
        passes_per_token=1.0 if method == "edge-only" else None,
        target_tokens_per_token=1.0 if method == "edge-only" else None,
    )


def _cell(method: MethodName, place: Place, **figures: Any) -> table.Cell:
    return table.Cell(
        table.Clock.VIRTUAL,
        SETTING,
        method,
        place.link,
        place.temperature,
        "scenes",
        exactness(method, place.temperature),
        costs=table.Costs(STEP, DRAFT, message_ms=1e3 * WORD),
        **figures,
    )


def _sent(answers: Sequence[Replayed], tokens: int) -> Iterator[table.Sent]:
    payload, words = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for each in answers:
        payload.update(each.wire.payload)
        words.update(each.wire.words)
    for (direction, kind), size in sorted(payload.items()):
        framed = size + FRAME * words[direction, kind]
        yield table.Sent(direction, kind, 1024 * size / tokens, 1024 * framed / tokens)


def recordings(folder: Path, count: int, first: int, temperature: float) -> Callable[[Way], Sequence[Trace]]:
    """Traces by way of drafting: those of the folder, else recorded into it."""
    known: dict[Way, list[Trace]] = {}

    def traces(way: Way) -> Sequence[Trace]:
        file = folder / f"{way.name}-t{temperature:g}.jsonl"
        if way not in known and not file.exists():
            console.print(f"recording {count} answers: {way.name}, T {temperature:g}")
            found = record(count, temperature, first, partial(trace, way=way))
            lines = [each.as_json() + "\n" for each in found]
            file.write_text("".join(lines), encoding="utf-8")
        if way not in known:
            known[way] = kept(file)[:count]
        return known[way]

    return traces


def main(words: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.virtual presets", description=__doc__)
    parser.add_argument("--methods", nargs="+", choices=METHOD_NAMES, default=list(PRESET_NAMES))
    parser.add_argument("--links", nargs="+", choices=list(LINKS), default=list(LINKS))
    parser.add_argument("--temperatures", nargs="+", type=float, default=[0.0, 0.7])
    parser.add_argument("--answers", type=int, default=24)
    parser.add_argument("--first", type=int, default=1000, help="scene; those below 1000 were for tuning")
    parser.add_argument(
        "--traces", type=Path, default=Path("traces"), help="folder: what is there is not recorded anew"
    )
    parser.add_argument("--out", type=Path, default=Path("virtual.jsonl"), help="cells, appended; the newest counts")
    asked = parser.parse_args(words)
    torch.set_num_threads(1)
    for folder in (asked.traces, asked.out.parent):
        folder.mkdir(parents=True, exist_ok=True)
    ends = f"embedded pair, {SETTING}, on a virtual clock; links without software"
    command = shlex.join(["python", "-m", "benchmarks.virtual", "presets", *words])
    append_made(asked.out, Made(command, machine(), ends))
    for temperature in asked.temperatures:
        traces = recordings(asked.traces, asked.answers, asked.first, temperature)
        for link in asked.links:
            for method in asked.methods:
                found = cell(method, Place(LINKS[link], temperature, traces))
                table.append_cells(asked.out, [found])
                payload = f"{found.payload / 1024:.1f} KiB for 1024 tokens"
                console.print(f"{link}, T {temperature:g}, {method}: {found.ratio.said()}, {payload} ({found.exact})")
    return 0
