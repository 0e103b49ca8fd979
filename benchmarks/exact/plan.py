"""Which answers are asked, each in a setting drawn from a grid.

Guarantees: on each axis the levels occur equally often, give or take one, in an order drawn for that axis alone; the
same seed gives the same plan; a round holds as many answers as its cases say. It does not know models or links.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from types import MappingProxyType
from typing import TypeVar

from benchmarks.held_out import KINDS_IN_TURN
from shared.speculation.messages import Pace
from shared.speculation.request import MAX_SEED, SamplingWish

Level = TypeVar("Level")


class Link(enum.Enum):
    """What happens to the bytes of an answer on their way."""

    QUIET = "quiet"
    SLOW = "delay and stall"
    CUTS = "cuts"  # beside delays and stalls


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn."""

    temperature: float
    top_p: float

    @property
    def weaker(self) -> Sampling | None:
        """The same without its mask, or if it has none without its noise: what would be said if that were idle."""
        if self.top_p < 1:
            return Sampling(self.temperature, 1.0)
        return Sampling(0.0, 1.0) if self.temperature else None

    def __str__(self) -> str:
        return f"T {self.temperature:g} top-p {self.top_p:g}" if self.temperature else "T 0"


# The packaged target is so sure of itself that temperature 0.7 changes hardly an answer; 2.5 changes most.
SAMPLINGS = (Sampling(0.0, 1.0), Sampling(0.7, 0.9), Sampling(0.7, 1.0), Sampling(2.5, 0.9), Sampling(2.5, 1.0))
WINDOWS = (1, 4, 16)
SESSIONS = (1, 4, 16)


@dataclass(frozen=True)
class Case:
    """One answer in one setting. `sessions`: how many run at the same time, this one included.

    `scene`: number of the held-out picture. `noise`: the answer's sampling seed.
    """

    number: int
    scene: int
    kind: str
    noise: int
    sampling: Sampling
    window: int
    pace: Pace
    sessions: int
    link: Link

    @property
    def wish(self) -> SamplingWish:
        """The sampling wishes of the question."""
        return SamplingWish(temperature=self.sampling.temperature, top_p=self.sampling.top_p, seed=self.noise)

    def __str__(self) -> str:
        said = ", ".join(f"{axis} {level(self)}" for axis, level in AXES.items())
        return f"case {self.number} ({said}, scene {self.scene}, seed {self.noise})"


AXES: Mapping[str, Callable[[Case], str]] = MappingProxyType(
    {
        "sampling": lambda case: str(case.sampling),
        "window": lambda case: str(case.window),
        "pace": lambda case: case.pace.value,
        "sessions": lambda case: str(case.sessions),
        "link": lambda case: case.link.value,
        "question": lambda case: case.kind,
    }
)


def plan(answers: int, seed: int, paces: Sequence[Pace]) -> tuple[Case, ...]:
    """So many cases; `paces` are those that the edge offers."""

    def column(axis: str, levels: Sequence[Level]) -> list[Level]:
        """A level for each case. Each axis has a generator of its own: a new pace leaves the other axes alone."""
        levels_of_cases = list(islice(cycle(levels), answers))
        random.Random(f"{seed}/{axis}").shuffle(levels_of_cases)
        return levels_of_cases

    samplings, windows, links = column("sampling", SAMPLINGS), column("window", WINDOWS), column("link", tuple(Link))
    drawn_paces, sessions = column("pace", paces), column("sessions", SESSIONS)
    kinds, noise = column("question", KINDS_IN_TURN), random.Random(f"{seed}/noise")
    return tuple(
        Case(
            number=number,
            scene=seed * 10**6 + number,
            kind=kinds[number],
            noise=noise.randint(0, MAX_SEED),
            sampling=samplings[number],
            window=windows[number],
            pace=drawn_paces[number],
            sessions=sessions[number],
            link=links[number],
        )
        for number in range(answers)
    )


@dataclass(frozen=True)
class Round:
    """Cases that run at the same time, and `companions` that are asked beside them to be enough, and not compared."""

    cases: tuple[Case, ...]
    companions: tuple[Case, ...] = ()


def rounds(cases: Sequence[Case]) -> list[Round]:
    """All cases in rounds, each in one of as many answers as it wants. Where some lack, cases are asked twice."""
    full: list[Round] = []
    waiting: dict[int, list[Case]] = {}
    for case in cases:
        together = waiting.setdefault(case.sessions, [])
        together.append(case)
        if len(together) == case.sessions:
            full.append(Round(tuple(waiting.pop(case.sessions))))
    rest = [
        Round(tuple(together), tuple(islice(cycle(together), sessions - len(together))))
        for sessions, together in waiting.items()
    ]
    return full + rest
