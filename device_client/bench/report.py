"""What the pairs come to: lines for a person, values for a program.

Guarantees: each number is of the pairs that could tell it, and says of how many where they were not all; a lossy
session says so first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from device_client.answer import Result
from device_client.bench.pairs import Estimate, of_pairs
from device_client.config import DeviceConfig
from device_client.figures import Figures

FEWEST = 6  # pairs: with fewer, an interval of the median is as wide as all of them (0.5 ** 5 > 0.025)
Number = Callable[[Figures], float | None]


@dataclass(frozen=True)
class Pair:
    """The same question with drafting and without."""

    drafting: Result
    alone: Result

    def of(self, number: Number) -> tuple[float, float] | None:
        """A number of both, if both have it and it is no zero."""
        with_drafts, without = number(self.drafting.figures), number(self.alone.figures)
        return (with_drafts, without) if with_drafts and without else None

    @property
    def gain(self) -> float | None:
        """How many times as fast drafting is after the first tokens, else from the question on."""
        found = self.of(_steady) or self.of(_overall)
        return None if found is None else found[0] / found[1]

    @property
    def same(self) -> bool:
        """Whether both texts are one."""
        return self.drafting.ids == self.alone.ids


@dataclass(frozen=True)
class Row:
    """One number both ways: medians, and the estimate of their ratio, pair by pair. `pairs`: that had it."""

    drafting: float
    alone: float
    ratio: Estimate
    pairs: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        ratio = {"median": self.ratio.middle, "low": self.ratio.low, "high": self.ratio.high}
        return {"drafting": self.drafting, "alone": self.alone, "ratio": ratio, "pairs": self.pairs}


@dataclass(frozen=True)
class Measured:
    """All that was found."""

    target: str
    draft: str
    config: DeviceConfig
    pairs: tuple[Pair, ...]

    def row(self, number: Number) -> Row | None:
        """The row of a number; None if no pair has it."""
        found = [both for pair in self.pairs if (both := pair.of(number)) is not None]
        if not found:
            return None
        ratio = of_pairs([with_drafts / without for with_drafts, without in found])
        return Row(median(one for one, _ in found), median(other for _, other in found), ratio, len(found))

    @property
    def losses(self) -> int | None:
        """Tokens that nobody compared; None if the session was none of those."""
        told = [pair.drafting.figures.lossy for pair in self.pairs]
        return None if all(each is None for each in told) else sum(each or 0 for each in told)

    def lines(self) -> Iterator[str]:
        """For a person."""
        drafted = [pair.drafting.figures for pair in self.pairs]
        tokens = sum(each.tokens for each in drafted)
        if self.losses is not None:
            yield f"lossy: {self.losses} of {tokens} tokens unverified"
        yield f"target {self.target} at {self.config.edge}, draft {self.draft}, {len(self.pairs)} pairs"
        yield f"{'':<28}{'drafting':>12}{'alone':>12}   drafting / alone [95 %]"
        for name, number, form in _ROWS:
            row = self.row(number)
            if row is not None:
                few = "" if row.pairs == len(self.pairs) else f", of {row.pairs} pairs"
                yield f"{name:<28}{row.drafting:>12{form}}{row.alone:>12{form}}   {row.ratio.said()}{few}"
        yield f"{'kB beside pictures, an answer':<28}{self._kilobytes('drafting')}{self._kilobytes('alone')}"
        yield f"accepted {self._said('accepted_per_step')} a step, {self._said('passes_per_token')} passes a token"
        yield self._of_drafts()
        told = [f"{name} {self._said(f'{name.lower()}_ms')} ms" for name in ("RTT", "step", "draft")]
        yield f"medians: {', '.join(told)}"
        yield from self._notes()

    def _of_drafts(self) -> str:
        drafted = [pair.drafting.figures for pair in self.pairs]
        stood, chosen = sum(each.accepted for each in drafted), sum(each.drafted for each in drafted)
        return f"{chosen} tokens drafted, {stood} stood" + (f" ({stood / chosen:.0%})" if chosen else "")

    def _notes(self) -> Iterator[str]:
        same = sum(pair.same for pair in self.pairs)
        if same < len(self.pairs):
            why = "the rule rejection lets the draft decide which" if self._draws else "see docs/exactness.md"
            yield f"note: {len(self.pairs) - same} of {len(self.pairs)} texts differ: {why}"
        if reconnects := sum(_reconnects(pair) for pair in self.pairs):
            yield f"note: the link broke {reconnects} times; what was waited for then is in the numbers"
        if len(self.pairs) < FEWEST:
            yield f"note: with fewer than {FEWEST} pairs the intervals hold less than 95 % (--pairs)"

    @property
    def _draws(self) -> bool:
        return self.config.rule == "rejection"

    def _kilobytes(self, way: str) -> str:
        payload = [getattr(pair, way).figures.traffic.beside_pictures for pair in self.pairs]
        return f"{median(each.up.payload + each.down.payload for each in payload) / 1e3:>12.2f}"

    def _said(self, figure: str) -> str:
        told = _told([pair.drafting for pair in self.pairs], figure)
        return "-" if told is None else f"{told:.2f}"

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, and each answer's own figures."""
        rows = {name: row.as_json() for name, number in _NAMES if (row := self.row(number)) is not None}
        lossy = {} if self.losses is None else {"lossy": self.losses}
        return lossy | {
            "edge": self.config.edge,
            "target": self.target,
            "draft": self.draft,
            **rows,
            "pairs": [
                {
                    "same": pair.same,
                    "seed": pair.drafting.parameters.seed,
                    "drafting": pair.drafting.figures.as_json(),
                    "alone": pair.alone.figures.as_json(),
                }
                for pair in self.pairs
            ],
        }


def _told(results: Sequence[Result], figure: str) -> float | None:
    told = [value for each in results if (value := getattr(each.figures, figure)) is not None]
    return median(told) if told else None


def _reconnects(pair: Pair) -> int:
    return pair.drafting.figures.reconnects + pair.alone.figures.reconnects


def _steady(figures: Figures) -> float | None:
    return figures.tokens_per_second


def _overall(figures: Figures) -> float | None:
    return figures.tokens_per_second_overall


def _first(figures: Figures) -> float | None:
    return figures.first_token_ms


_ROWS: Sequence[tuple[str, Number, str]] = (
    ("tokens/s after the first 8", _steady, ".1f"),
    ("tokens/s from the question", _overall, ".1f"),
    ("first token, ms", _first, ".0f"),
)
_NAMES: Sequence[tuple[str, Number]] = (
    ("tokens_per_second", _steady),
    ("tokens_per_second_overall", _overall),
    ("first_token_ms", _first),
)
