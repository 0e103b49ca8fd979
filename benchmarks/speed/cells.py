"""One cell: a setting, a draft and a round trip, measured in pairs, with what was foretold beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.link.profile import round_trip
from benchmarks.speed.ends import ALONE, Ends
from benchmarks.speed.foretell import Times, foretell
from benchmarks.speed.pairs import Estimate, in_turn, of_pairs
from benchmarks.speed.questions import Asked

LONGEST_STEP = 17  # tokens: a window and one


@dataclass(frozen=True)
class Answer:
    """One answer as the device measured it. `decoding`: seconds from the first token's arrival to the last one's."""

    ids: tuple[int, ...]
    figures: Mapping[str, Any]

    @property
    def decoding(self) -> float:
        return float(self.figures["seconds"]) - self.first

    @property
    def first(self) -> float:
        """Seconds to the first token."""
        return float(self.figures["first_token_ms"]) / 1e3

    @property
    def beside(self) -> tuple[int, int]:
        """Payload and framed bytes both ways, the picture's left out."""
        kinds = [
            tally
            for direction in self.figures["bytes"].values()
            for kind, tally in direction.items()
            if kind != "image_chunk"
        ]
        return sum(tally["payload"] for tally in kinds), sum(tally["framed"] for tally in kinds)


@dataclass(frozen=True)
class Pair:
    """The same question both ways. `matches`: where the draft agrees with the answer."""

    together: Answer
    alone: Answer
    matches: tuple[bool, ...]


@dataclass(frozen=True)
class Cell:
    """What was found. `shares`: CPU seconds a second of edge, device and link."""

    models: str
    way: str
    round_trip_ms: float
    pairs: tuple[Pair, ...]
    times: Times
    step_alone: float
    shares: tuple[float, float, float]

    @property
    def ratio(self) -> Estimate:
        """Tokens a second after the first token, of those of the target alone."""
        return of_pairs([pair.alone.decoding / pair.together.decoding for pair in self.pairs])

    @property
    def foretold(self) -> Estimate:
        """The same as foretold for each pair from its own matches."""
        return of_pairs(self._foretold())

    @property
    def reached(self) -> Estimate:
        """How much of what was foretold was measured, pair by pair."""
        found = [pair.alone.decoding / pair.together.decoding for pair in self.pairs]
        return of_pairs([ours / theirs for ours, theirs in zip(found, self._foretold(), strict=True)])

    @property
    def first_token(self) -> Estimate:
        """Time to the first token, of that of the target alone."""
        return of_pairs([pair.together.first / pair.alone.first for pair in self.pairs])

    @property
    def tokens_per_second(self) -> tuple[float, float]:
        """Together and alone, after the first token."""
        return tuple(  # type: ignore[return-value]
            median((len(answer.ids) - 1) / answer.decoding for answer in way)
            for way in ([pair.together for pair in self.pairs], [pair.alone for pair in self.pairs])
        )

    @property
    def agreement(self) -> float:
        """Share of all tokens that the draft would have said."""
        return float(np.mean([match for pair in self.pairs for match in pair.matches]))

    @property
    def bytes_per_1024(self) -> tuple[float, float]:
        """Payload and framed bytes beside the picture for 1024 tokens."""
        tokens = sum(len(pair.together.ids) for pair in self.pairs)
        sums = np.sum([pair.together.beside for pair in self.pairs], axis=0)
        return 1024 * float(sums[0]) / tokens, 1024 * float(sums[1]) / tokens

    def figure(self, name: str) -> float:
        """The median of a figure of the answers given together."""
        return median(float(pair.together.figures[name]) for pair in self.pairs)

    def _foretold(self) -> list[float]:
        ratios = []
        for pair in self.pairs:
            told = foretell(pair.matches, self.times)
            ratios.append((len(pair.matches) - 1) * self.step_alone / told.seconds)
        return ratios


def measure(ends: Ends, way: str, round_trip_ms: float, asked: Iterator[Asked], pairs: int, name: str) -> Cell:
    """Ask `pairs` questions both ways over a link with this round trip."""
    ends.link.set(round_trip(round_trip_ms))
    alone = ALONE[way]
    for each in (way, alone, way):  # connections and estimates get used to the link
        _ask(ends, each, next(asked))
    marks = [file.stat().st_size for file in ends.events]
    begin, used = perf_counter(), ends.cpu_seconds()
    found = []
    for _, order in in_turn(way, alone, pairs):
        question = next(asked)
        answers = {each: _ask(ends, each, question) for each in order}
        if answers[way].ids != answers[alone].ids:
            raise RuntimeError(f"{question}: {answers[way].ids} together, {answers[alone].ids} alone")
        ids = answers[way].ids
        told = ends.order(agree=way, picture=str(question.picture), prompt=question.prompt, ids=ids)
        found.append(Pair(answers[way], answers[alone], tuple(told["matches"])))
    seconds = perf_counter() - begin
    shares = tuple((now - before) / seconds for now, before in zip(ends.cpu_seconds(), used, strict=True))
    steps = [_steps(file, mark) for file, mark in zip(ends.events, marks, strict=True)]
    draft = median(float(pair.together.figures["draft_ms"]) for pair in found) / 1e3
    leads = [_lead(pair.together, round_trip_ms / 1e3, draft) for pair in found]
    times = Times(draft, step_curve(steps[0]), round_trip_ms / 1e3, median(leads))
    step_alone = median(seconds for tokens, seconds in steps[1] if tokens == 1)
    return Cell(name, way, round_trip_ms, tuple(found), times, step_alone, (shares[0], shares[1], shares[2]))


def step_curve(steps: Sequence[tuple[int, float]]) -> tuple[float, ...]:
    """Seconds of a step over 1, 2, ... tokens from steps that were seen: medians, and lines between and behind them.

    It never falls: a step over more tokens that was seen faster was seen too seldom.
    """
    sizes = sorted({tokens for tokens, _ in steps})
    medians = [median(took for tokens, took in steps if tokens == size) for size in sizes]
    slope, intercept = (
        np.polyfit([t for t, _ in steps], [s for _, s in steps], 1) if len(sizes) > 1 else (0, medians[0])
    )
    wanted = np.arange(1, LONGEST_STEP + 1)
    between = np.interp(wanted, sizes, medians)
    behind = np.maximum(between, intercept + slope * wanted)
    curve = np.maximum.accumulate(np.where(wanted > sizes[-1], behind, between))
    return tuple(float(seconds) for seconds in curve)


def _ask(ends: Ends, way: str, question: Asked) -> Answer:
    said = ends.order(way=way, picture=str(question.picture), prompt=question.prompt)
    return Answer(tuple(said["ids"]), said["figures"])


def _lead(answer: Answer, round_trip_seconds: float, draft_seconds: float) -> float:
    """How long before the first commit left the edge the device began to draft."""
    first_draft = float(answer.figures["first_draft_ms"]) / 1e3 - draft_seconds
    return answer.first - round_trip_seconds / 2 - first_draft


def _steps(file: Path, mark: int) -> list[tuple[int, float]]:
    """Tokens and seconds of the steps without a prompt that the edge has written since `mark`."""
    with file.open("rb") as opened:
        opened.seek(mark)
        events = [json.loads(line) for line in opened]
    return [(event["output_tokens"], event["seconds"]) for event in events if event["prompt_tokens"] == 0]
