"""From answers to cells: pure functions of what was heard. What a figure is, `cell` says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Any

import numpy as np

from benchmarks.speed.cells import step_curve
from benchmarks.speed.pairs import Estimate, of_pairs
from benchmarks.table.cell import Cell, Clock, Costs, Exact, LinkShape, Sent
from benchmarks.table.measure import Block, Heard
from benchmarks.table.methods import METHODS, MethodName
from benchmarks.table.score import score
from benchmarks.table.starting import ALONE, beside

LEAST = 12  # tokens of an answer whose speed counts
SAME = Estimate(1.0, 1.0, 1.0)  # the target alone beside itself


@dataclass(frozen=True)
class Place:
    """Where cells stand: what models cost, in words; the link; the temperature; what was asked."""

    setting: str
    link: LinkShape
    temperature: float
    data: str


def exactness(method: MethodName, temperature: float) -> Exact:
    """What an answer of this method owes the target."""
    settings = METHODS[method]
    if settings.get("alone"):
        return Exact.DRAFT
    if "gate" in settings:
        return Exact.LOSSY
    return Exact.LAW if settings.get("rule") == "rejection" and temperature > 0 else Exact.IDS


def cell(place: Place, method: MethodName, blocks: Sequence[Block]) -> Cell | None:
    """The cell of a method; None if no answer was long enough for its speed to count."""
    pairs = [(block.heard[method], block.heard[beside(method)]) for block in blocks]
    long = [(ours, alone) for ours, alone in pairs if min(len(ours.ids), len(alone.ids)) >= LEAST]
    if not long:
        return None
    answers = [ours for ours, _ in pairs]
    tokens = sum(len(answer.ids) for answer in answers)
    owed = exactness(method, place.temperature)
    same = [block.heard[method].ids == block.heard[ALONE].ids for block in blocks]
    gaps = [1e3 * (later - sooner) for answer in answers for sooner, later in pairwise(answer.arrivals)]
    return Cell(
        Clock.WALL,
        place.setting,
        method,
        place.link,
        place.temperature,
        place.data,
        owed,
        answers=len(answers),
        tokens=tokens,
        costs=_costs(method, place.link, answers, [alone for _, alone in long]),
        tokens_per_second=median(ours.rate for ours, _ in long),
        ratio=SAME if method == ALONE else of_pairs([ours.rate / alone.rate for ours, alone in long]),
        first_token_ms=1e3 * median(answer.arrivals[0] for answer in answers),
        inter_token_p50_ms=float(np.percentile(gaps, 50)),
        inter_token_p99_ms=float(np.percentile(gaps, 99)),
        sent=tuple(_sent(answers, tokens)),
        accuracy=_accuracy(method, blocks),
        agreement=fmean(same),
        differing=same.count(False),
        unverified=_total(answers, "lossy") / tokens if owed is Exact.LOSSY else None,
        device_seconds=sum(answer.cpu for answer in answers) / tokens,
        device_joules=_joules(answers, tokens),
        first_token_ratio=SAME if method == ALONE else of_pairs([a.arrivals[0] / b.arrivals[0] for a, b in pairs]),
        draft_agreement=fmean(match for block in blocks for match in block.matches),
        **_of_the_edge(method, answers, tokens),
    )


def _of_the_edge(method: MethodName, answers: Sequence[Heard], tokens: int) -> dict[str, Any]:
    """Figures that only methods with an edge have."""
    if METHODS[method].get("alone"):
        return {}
    steps = _total(answers, "steps")
    accepted = sum(_figure(answer, "accepted_per_step") * _figure(answer, "steps") for answer in answers)
    drafting = method != ALONE
    return {
        "accepted_per_step": accepted / steps,
        "passes_per_token": steps / tokens,
        "target_tokens_per_token": sum(size for answer in answers for size, _ in answer.steps) / tokens,
        "corrections": round(_total(answers, "corrections")) if drafting else None,
        "foreseen": round(_total(answers, "foreseen")) if drafting and METHODS[method].get("branches", True) else None,
    }


def _costs(method: MethodName, link: LinkShape, answers: Sequence[Heard], alone: Sequence[Heard]) -> Costs:
    """As they were in these answers, and in those of the target alone beside them."""
    single = median(took for answer in alone for size, took in answer.steps if took is not None and size == 1)
    message = median(answer.decoding / (len(answer.ids) - 1) for answer in alone) - single
    if METHODS[method].get("alone"):
        return Costs(1e3 * single, 1e3 * median(1 / answer.rate for answer in answers if len(answer.ids) >= LEAST))
    drafting = [(answer, answer.figures) for answer in answers if answer.figures and answer.figures["draft_ms"]]
    leads = [_lead(answer, figures, link) for answer, figures in drafting]
    timed = [(size, took) for answer in answers for size, took in answer.steps if took is not None]
    return Costs(
        1e3 * single,
        median(figures["draft_ms"] for _, figures in drafting) if drafting else 0.0,
        tuple(1e3 * seconds for seconds in step_curve(timed)) if timed else (),
        len(timed),
        1e3 * max(0.0, message),
        max(0.0, median(leads)) if leads else 0.0,
    )


def _lead(answer: Heard, figures: Mapping[str, Any], link: LinkShape) -> float:
    """Milliseconds in which the device could draft before the edge said the first token."""
    began = float(figures["first_draft_ms"]) - float(figures["draft_ms"])
    return 1e3 * answer.arrivals[0] - link.round_trip_ms / 2 - began


def _accuracy(method: MethodName, blocks: Sequence[Block]) -> float | None:
    known = [block for block in blocks if block.asked.right]
    if not known:
        return None
    return fmean(score(block.heard[method].text, block.asked.right, block.asked.scoring) for block in known)


def _joules(answers: Sequence[Heard], tokens: int) -> float | None:
    told = [answer.joules for answer in answers if answer.joules is not None]
    return sum(told) / tokens if len(told) == len(answers) else None


def _sent(answers: Sequence[Heard], tokens: int) -> Iterator[Sent]:
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for answer in answers:
        for direction, kinds in (answer.figures or {"bytes": {}})["bytes"].items():
            for kind, tally in kinds.items():
                sums[direction, kind][0] += tally["payload"]
                sums[direction, kind][1] += tally["framed"]
    for (direction, kind), (payload, framed) in sorted(sums.items()):
        yield Sent(direction, kind, 1024 * payload / tokens, 1024 * framed / tokens)


def _total(answers: Sequence[Heard], name: str) -> float:
    return sum(_figure(answer, name) for answer in answers)


def _figure(answer: Heard, name: str) -> float:
    return float((answer.figures or {}).get(name) or 0.0)
