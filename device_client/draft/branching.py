"""Which branches are worth drafting: best first by the chance that the text will go that way.

A branch strays from the path at one token by its second-best noised id, the likely correction. What it costs is the
device's time alone. `Marginal` says where the path itself goes on; the device drafts a branch when it is worth more.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
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
    """The path as branches stray from it. `second`: the chance that a correction is the second-best token. `longest`:
    tokens that path and branches may have. `most`: branches at a time. `shape`: by which they are weighed.
    """

    choices: Sequence[Choice]
    chances: Sequence[float]
    second: float
    longest: int
    most: int = MOST
    shape: Shape = SHAPES["best"]

    def chance(self, limb: Limb) -> float:
        """That the text will go the way of this branch; 0 if it is long enough."""
        at, length = limb.branch.at, len(limb.chances)
        if length >= LONGEST or at + 2 + length > self.longest:
            return 0.0
        goes = [self._odds(choice, chance) for choice, chance in zip(self.choices, self.chances, strict=True)]
        along = [self._odds(choice, chance)[0] for choice, chance in zip(limb.choices, limb.chances, strict=True)]
        return math.prod(each for each, _ in goes[:at]) * goes[at][1] * math.prod(along)

    def best(self, limbs: Sequence[Limb], count: int, least: float) -> list[Limb]:
        """The best branches to go on with, each likelier than `least`; new ones, which nobody holds yet, among them."""
        found = [(chance, limb) for limb in limbs if (chance := self.chance(limb)) > self._bar(limb, least)]
        most = self.shape.width(self.choices, self.most)
        if len(limbs) < most:
            found += self._new({limb.branch.at for limb in limbs}, least)
        best = sorted(found, key=lambda each: -each[0])[:count]
        free = most - len(limbs)
        return [limb for place, (_, limb) in enumerate(best) if limb in limbs or place < free]

    def _new(self, taken: Collection[int], least: float) -> Iterator[tuple[float, Limb]]:
        """Branches where there are none yet, and the chance of each."""
        path = 1.0
        for at, (choice, chance) in enumerate(zip(self.choices, self.chances, strict=True)):
            if path <= least or at + 2 > self.longest:
                return
            goes, strays = self._odds(choice, chance)
            strays, path = path * strays, path * goes
            limb = Limb(Branch(at, choice.runner_up)) if choice.runner_up is not None and at not in taken else None
            if limb is not None and strays > self._bar(limb, least):
                yield strays, limb

    def _odds(self, choice: Choice, chance: float) -> tuple[float, float]:
        return self.shape.odds(choice, chance, self.second)

    def _bar(self, limb: Limb, least: float) -> float:
        return max(least, self.shape.bar(limb.branch.at + len(limb.choices), len(self.choices)))
