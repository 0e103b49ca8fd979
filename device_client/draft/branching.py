"""Which branches are worth drafting: best first by the chance that the text will go that way.

A branch leaves the path at one token by the likely correction: where ids are compared, the second-best noised id.
Behind a closed block it leaves by one of the two tokens that the target is likeliest to add. What a branch costs is the
device's time alone. `Marginal` says where the path itself goes on; a branch is drafted when it is worth more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from device_client.draft.shape import SHAPES, Shape
from shared.speculation.branches import Branch
from shared.speculation.coupled import Choice

MOST = 4  # branches at a time
LONGEST = 8  # tokens of one
RIDES = 3  # branches in a forward beside what it is for
RIDE = 0.15  # of a forward, that each of them takes longer, before it was measured


@dataclass(eq=False)
class Limb:
    """A branch, what was drafted on it, and how likely each of that stands."""

    branch: Branch
    choices: list[Choice] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Trunk:
    """The path as branches leave it. `second`: the chance that a correction is the second-best token. `longest`:
    tokens that path and branches may have; `deepest`: those of a branch that leaves the path at a place. `most`:
    branches at a time. `shape`: by which they are weighed. `behind`: what the draft expects the target to add to a
    closed block, and how likely that is; None: not known, or no block.
    """

    choices: Sequence[Choice]
    chances: Sequence[float]
    second: float
    longest: int
    deepest: Callable[[int], int]
    most: int = MOST
    shape: Shape = SHAPES["best"]
    behind: tuple[Choice, float] | None = None

    def chance(self, limb: Limb) -> float:
        """That the text will go the way of this branch; 0 if it is long enough."""
        at, length = limb.branch.at, len(limb.chances)
        if length >= min(LONGEST, self.deepest(at)) or at + 2 + length > self.longest:
            return 0.0
        path = [self._odds(choice, chance)[0] for choice, chance in zip(self.choices[:at], self.chances, strict=False)]
        along = [self._odds(choice, chance)[0] for choice, chance in zip(limb.choices, limb.chances, strict=True)]
        return math.prod(path) * dict(self._ways(at)).get(limb.branch.other, 0.0) * math.prod(along)

    def best(self, limbs: Sequence[Limb], count: int, least: float) -> list[Limb]:
        """The best branches to go on with, each likelier than `least`; new ones, which nobody holds yet, among them."""
        found = [(chance, limb) for limb in limbs if (chance := self.chance(limb)) > self._bar(limb, least)]
        most = self.shape.width(self.choices, self.most)
        if len(limbs) < most:
            found += self._new({(limb.branch.at, limb.branch.other) for limb in limbs}, least)
        best = sorted(found, key=lambda each: -each[0])[:count]
        free = most - len(limbs)
        return [limb for place, (_, limb) in enumerate(best) if limb in limbs or place < free]

    def _new(self, taken: Collection[tuple[int, int]], least: float) -> Iterator[tuple[float, Limb]]:
        """Branches where there are none yet, and the chance of each."""
        path = 1.0
        for at in range(len(self.choices) + 1):
            if path <= least or at + 2 > self.longest or self.deepest(at) < 1:
                return
            for other, leaves in self._ways(at):
                limb = Limb(Branch(at, other))
                if (at, other) not in taken and path * leaves > self._bar(limb, least):
                    yield path * leaves, limb
            path *= self._odds(self.choices[at], self.chances[at])[0] if at < len(self.choices) else 0.0

    def _ways(self, at: int) -> Iterator[tuple[int, float]]:
        """The tokens by which a branch may leave the path at this place, and the chance of each if the text comes so
        far.
        """
        if at < len(self.choices):
            choice, (_, strays) = self.choices[at], self._odds(self.choices[at], self.chances[at])
        elif self.behind is not None:
            choice, (goes, strays) = self.behind[0], self._odds(*self.behind)
            yield choice.token, goes
        else:
            return
        if choice.runner_up is not None:
            yield choice.runner_up, strays

    def _odds(self, choice: Choice, chance: float) -> tuple[float, float]:
        return self.shape.odds(choice, chance, self.second)

    def _bar(self, limb: Limb, least: float) -> float:
        return max(least, self.shape.bar(limb.branch.at + len(limb.choices), len(self.choices)))
