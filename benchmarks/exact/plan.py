"""Which answers are asked, each in a setting drawn from a grid.

Guarantees: on each axis the levels occur equally often, give or take one, in an order drawn for that axis alone, but
for what the rule rejection asks: one answer in three is judged by it, goes at pace thrifty, by policy `marginal` at
temperature 0, and proposes no trees. The same seed gives the same plan; a round holds as many answers as its cases say.
It does not know models or links.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from types import MappingProxyType
from typing import TypeVar, get_args

from benchmarks.held_out import KINDS_IN_TURN
from device_client.draft.names import PolicyName, Preference
from device_client.prune.wish import PRUNERS
from shared.speculation.messages import Evidence, Pace
from shared.speculation.request import MAX_SEED, SamplingWish

Level = TypeVar("Level")


class Link(enum.Enum):
    """What happens to the bytes of an answer on their way."""

    QUIET = "quiet"
    SLOW = "delay and stall"
    CUTS = "cuts"  # beside delays and stalls
    DARK = "dark"  # once in the answer nothing comes through any more, and nobody is told


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
PRUNED = tuple(name for name in PRUNERS if name != "verifier")  # that one needs an edge that tells
KEPT = ("50%", "12.5%")  # "auto" would depend on how fast this machine is
BRANCHES = ("0", "1", "4", "tree")
TREE_NODES = 32
COUPLED = "coupled"
JUDGED = (COUPLED, *(f"rejection {each.value}" for each in Evidence))
_JUDGED_IN_TURN = (*[COUPLED] * 8, *JUDGED[1:])  # most by the rule that holds at every pace


@dataclass(frozen=True)
class Manner:
    """How a device goes about it. `judged`: the rule, with what goes up by it. `lockstep`: in rounds. `branches`: how
    many at most, or that they are proposed too.
    """

    pruner: str
    keep: str
    policy: PolicyName
    prefer: Preference
    lockstep: bool
    branches: str
    judged: str

    @property
    def evidence(self) -> Evidence | None:
        """What goes up by the rule rejection; None by the coupled one."""
        return None if self.judged == COUPLED else Evidence(self.judged.removeprefix("rejection "))

    @property
    def most_branches(self) -> int:
        """As the device's option."""
        return 4 if self.branches == "tree" else int(self.branches)

    @property
    def tree(self) -> int:
        """As the device's option."""
        return TREE_NODES if self.branches == "tree" else 0


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
    manner: Manner

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
        "pruner": lambda case: case.manner.pruner,
        "keep": lambda case: case.manner.keep,
        "policy": lambda case: case.manner.policy,
        "prefer": lambda case: case.manner.prefer,
        "rounds": lambda case: "lockstep" if case.manner.lockstep else "free",
        "branches": lambda case: case.manner.branches,
        "rule": lambda case: case.manner.judged,
    }
)


def plan(answers: int, seed: int, paces: Sequence[Pace]) -> tuple[Case, ...]:
    """So many cases; `paces` are those that the edge offers."""

    def column(axis: str, levels: Sequence[Level]) -> list[Level]:
        """A level for each case. Each axis has a generator of its own: a new pace leaves the other axes alone."""
        levels_of_cases = list(islice(cycle(levels), answers))
        random.Random(f"{seed}/{axis}").shuffle(levels_of_cases)
        return levels_of_cases

    manners = [
        Manner(*each)
        for each in zip(
            column("pruner", PRUNED),
            column("keep", KEPT),
            column("policy", get_args(PolicyName)),
            column("prefer", get_args(Preference)),
            column("rounds", (False, True)),
            column("branches", BRANCHES),
            column("rule", _JUDGED_IN_TURN),
            strict=True,
        )
    ]
    manners = [each if each.evidence is None or not each.tree else replace(each, branches="4") for each in manners]
    samplings, windows, links = column("sampling", SAMPLINGS), column("window", WINDOWS), column("link", tuple(Link))
    sessions, kinds = column("sessions", SESSIONS), column("question", KINDS_IN_TURN)
    noise, in_turn = random.Random(f"{seed}/noise"), cycle(column("pace", paces))
    drawn_paces = [next(in_turn) if manner.evidence is None else Pace.THRIFTY for manner in manners]
    return tuple(
        Case(
            number=number,
            scene=seed * 10**6 + number,
            kind=kinds[number],
            noise=noise.randint(0, MAX_SEED),
            sampling=SAMPLINGS[0] if _is_measured(manners[number]) else samplings[number],
            window=windows[number],
            pace=drawn_paces[number],
            sessions=sessions[number],
            link=links[number],
            manner=manners[number],
        )
        for number in range(answers)
    )


def _is_measured(manner: Manner) -> bool:
    """Whether the text at a temperature depends on what the device measured: it is quiet now and then, and by the rule
    rejection the target's own tokens are other draws than those that a proposal leaves.
    """
    return manner.evidence is not None and manner.policy == "marginal"


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
