"""What a proposal may cost: how long a step will take, how likely a proposal stands, and which ones a step looks at.

Guarantees (as far as the estimates hold): a step's tokens per second do not fall by what is admitted, and nobody's
text is behind where it would be without proposals. All estimates come from the engine's own steps; a device's word is
not used.
It does not know models, threads or the wire; times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import add, mul

import numpy as np
from numpy.typing import NDArray

from shared.speculation.pending import Fate
from shared.speculation.tree import Tree

MOST_HARM = 1.02  # a step may take this much longer than without proposals even if a session gains nothing
# A proposal less likely to stand is not worth the word that brings it: to hear one costs the edge about 0.2 ms.
LEAST_CHANCE = 0.05
MOST_LEAD = 4.0  # tokens; who got more at once still waits no longer than this many steps for others
PROBE_SHARE = 0.01  # of all time may go to looking at proposals that are not worth it
_MEMORY = 0.99  # discount of older steps: about the last hundred count
_PRIOR_WEIGHT = 4.0  # reached proposals that the experience of all sessions counts for
_FIRST_GUESS = 0.7  # survival before anything was seen
_FIRST_ASIDE = 0.3  # of what is proposed beside the first, if that falls
# Slopes that the steps say nothing about (all had one token, say) are taken for none: then proposals are tried, and the
# steps say something.
_DOUBT = np.diag([1e-9, 0.3, 0.3, 0.3])


@dataclass(frozen=True, slots=True)
class Load:
    """What a step works on: new tokens, sessions, and tokens in their caches."""

    tokens: int
    sessions: int
    cached: int


class StepTime:
    """The time of a step as a function of its load, fitted to the steps that were seen.

    t = a + b tokens + c sessions + d cached, by least squares with discounted memory. The coefficients of load are kept
    from below at zero: a step does not get faster by doing more. `coefficients`: a, b, c, and d for 1000 tokens.
    """

    def __init__(self) -> None:
        self._gram: NDArray[np.float64] = np.zeros((4, 4))
        self._moment: NDArray[np.float64] = np.zeros(4)
        self.coefficients = (0.0, 0.0, 0.0, 0.0)
        self.steps = 0

    def saw(self, load: Load, seconds: float) -> None:
        """A step with this load took so long."""
        row = _features(load)
        self._gram = _MEMORY * self._gram + np.outer(row, row)
        self._moment = _MEMORY * self._moment + seconds * row
        fixed, token, session, cached = _non_negative(self._gram + _DOUBT, self._moment).tolist()
        self.coefficients = (fixed, token, session, cached)
        self.steps += 1

    def seconds(self, load: Load) -> float:
        """How long a step with this load will take; 0 while nothing was seen."""
        fixed, token, session, cached = self.coefficients
        return fixed + token * load.tokens + session * load.sessions + cached * load.cached / 1000


@dataclass
class Experience:
    """How many proposals were reached and stood, by depth, with older ones discounted."""

    reached: list[float] = field(default_factory=list)
    stood: list[float] = field(default_factory=list)

    def saw(self, looked_at: int, accepted: int) -> None:
        """A step looked at so many proposals; the first `accepted` stood. Those after the first miss say nothing."""
        for depth in range(min(looked_at, accepted + 1)):
            self.saw_one(depth, stood=depth < accepted)

    def saw_one(self, depth: int, *, stood: bool) -> None:
        """The proposal at `depth` was reached."""
        while len(self.reached) <= depth:
            self.reached.append(0.0)
            self.stood.append(0.0)
        self.reached[depth] = _MEMORY * self.reached[depth] + 1
        self.stood[depth] = _MEMORY * self.stood[depth] + stood

    def rate(self, depth: int, prior: float, weight: float) -> float:
        """The chance that the proposal at `depth` stands if those before it do."""
        known = depth < len(self.reached)
        reached, stood = (self.reached[depth], self.stood[depth]) if known else (0.0, 0.0)
        return (weight * prior + stood) / (weight + reached)


@dataclass
class Survival:
    """One session's chances, leaning on those of all sessions where it has little experience of its own.

    `aside`: of what is proposed beside the first for a place, by its place among them, if those before it do not stand.
    """

    everybody: Experience
    own: Experience = field(default_factory=Experience)
    aside: Experience = field(default_factory=Experience)

    def saw(self, looked_at: int, accepted: int) -> None:
        """As Experience."""
        self.own.saw(looked_at, accepted)
        self.everybody.saw(looked_at, accepted)

    def learned(self, fate: Fate) -> None:
        """What became of proposals. Where one beside the first stood, those before it did not."""
        forks = dict(fate.forks)
        for depth in range(min(fate.known, fate.stood + 1)):
            children, stood = forks.get(depth, (1, 0 if depth < fate.stood else None))
            for experience in (self.own, self.everybody):
                experience.saw_one(depth, stood=stood == 0)
            for place in range(1, children if stood is None else stood + 1):
                self.aside.saw_one(place - 1, stood=place == stood)

    def chances(self, tree: Tree) -> list[float]:
        """The chance of each proposal of the tree that all of its path stands."""
        chances, left = list[float](), dict[int, float]()  # left: of a place, that none of its children so far stands
        ranks, depths = dict[int, int](), tree.depths
        rates = self.rates(max(depths, default=-1) + 1)
        for place, parent in enumerate(tree.parents):
            whole = 1.0 if parent < 0 else chances[parent]
            rank, remains = ranks.get(parent, 0), left.get(parent, 1.0)
            rate = rates[depths[place]] if rank == 0 else self.aside.rate(rank - 1, _FIRST_ASIDE, _PRIOR_WEIGHT)
            chances.append(whole * remains * rate)
            ranks[parent], left[parent] = rank + 1, remains * (1 - rate)
        return chances

    def paths(self, count: int) -> list[float]:
        """The chance that the first 1, 2, ... `count` proposals all stand."""
        return list(accumulate(self.rates(count), mul))

    def rates(self, count: int) -> list[float]:
        """The chance of the first proposal for each of `count` places to stand, if those before it do."""
        priors = [self.everybody.rate(depth, _FIRST_GUESS, _PRIOR_WEIGHT) for depth in range(count)]
        return [self.own.rate(depth, prior, _PRIOR_WEIGHT) for depth, prior in enumerate(priors)]


def lead_after(lead: float, accepted: int, stretch: float) -> float:
    """How many tokens a session is ahead of itself without proposals, after a step that `accepted` so many of its own.

    `stretch`: how many times as long as without proposals the step took: so many tokens it would have said meanwhile.
    Below zero it is behind: what it lends to others is what it has won, and not its luck alone.
    """
    return max(-MOST_LEAD, min(MOST_LEAD, lead + 1 + accepted - stretch))


def admit(
    paths: Sequence[Sequence[float]], base: Load, time: StepTime, leads: Sequence[float] | None = None
) -> list[int]:
    """How many proposals of each session a step looks at, the likeliest ones. paths[i]: chances of session i's.

    `base`: the load of the step without proposals, one new token a session; it may have more sessions, whose steps may
    become longer. `leads`: of each session, None for no lead. Proposals enter by falling chance while
    gain: chance / tokens expected so far > added time / time so far, and chance >= LEAST_CHANCE. Of the sets on that
    way the largest is taken that has no harm: time / time without <= 1.02, or <= for every session the tokens that it
    is to get and its lead. (To stop at the first set with harm would admit nothing for two equal sessions: the first
    proposal of one slows the other. Without leads, one session whose proposals are on their way would deny all others
    theirs.)
    """
    admitted, harmless = [0] * len(paths), [0] * len(paths)
    expected = [1.0] * len(paths)  # tokens that the step brings each session
    spare = [0.0] * len(paths) if leads is None else [max(0.0, lead) for lead in leads]
    total = float(base.sessions)
    alone = now = time.seconds(base)
    if now <= 0:
        return harmless
    tokens = base.tokens
    queue = sorted(((chance, i) for i, path in enumerate(paths) for chance in path), key=lambda each: -each[0])
    for chance, i in queue:  # no proposal is likelier than the one that it follows, so that comes first
        tokens += 1
        then = time.seconds(Load(tokens, base.sessions, base.cached))
        if chance < LEAST_CHANCE or chance / total <= (then - now) / now:
            break
        admitted[i] += 1
        expected[i] += chance
        total += chance
        now = then
        if now / alone <= max(MOST_HARM, min(map(add, expected, spare))):
            harmless = list(admitted)
    return harmless


def probe_interval(base: Load, time: StepTime) -> int:
    """Steps between two looks at one proposal that is not worth it, so that they cost at most 1 % of the time."""
    now = time.seconds(base)
    added = time.seconds(Load(base.tokens + 1, base.sessions, base.cached)) - now
    return max(1, math.ceil(added / (PROBE_SHARE * now))) if now > 0 else 1


def _features(load: Load) -> NDArray[np.float64]:
    return np.array([1.0, load.tokens, load.sessions, load.cached / 1000], dtype=np.float64)


def _non_negative(gram: NDArray[np.float64], moment: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares with no coefficient below zero: the worst one is left out until none is."""
    active = np.ones(len(moment), dtype=bool)
    solution = np.zeros(len(moment))
    while active.any():
        solution[:] = 0
        solution[active] = np.linalg.solve(gram[np.ix_(active, active)], moment[active])
        if (solution >= 0).all():
            break
        active[int(solution.argmin())] = False
    return solution
