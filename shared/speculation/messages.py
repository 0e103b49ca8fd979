"""The messages of one answer as both conversations see them, free of the wire.

Positions count output tokens of this answer, from 0. Interval of a commit: `[start, start + len(ids))`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Pace(enum.Enum):
    """When a target step may run: whenever free, only with proposals, or as the batch has room and in its turn."""

    EAGER = "eager"
    THRIFTY = "thrifty"
    AUTO = "auto"


class FinishReason(enum.Enum):
    """Why an answer ended. The edge says EOS, STOP or LENGTH; the device says CANCELLED or DONE."""

    EOS = "eos"
    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Propose:
    """The device's guess for `[base, base + len(ids))`, said when `seen` tokens were committed at the device.

    base == seen: the path (re)starts there; base > seen: it goes on where the last one ended. No ids: seen is
    acknowledged. `given` (bit i for ids[i]), `draft_probability` (one per id) and `parents` (one per id) belong to
    rules that this edge may not offer.
    """

    seen: int
    base: int
    ids: tuple[int, ...] = ()
    given: int = 0
    draft_probability: tuple[float, ...] = ()
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Yield:
    """on: step me without proposals, whatever the pace; off: I draft again."""

    on: bool


@dataclass(frozen=True, slots=True)
class Ping:
    """Is anybody there? Said by a device after a silence; it is no proposal and acknowledges nothing."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The edge hears the device, and is heard."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The only normal end, said by the device."""

    reason: FinishReason


@dataclass(frozen=True, slots=True)
class Timings:
    """Microseconds at the edge: the step's forward; from hearing the newest applied proposal to this commit."""

    step_us: int = 0
    held_us: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """The committed text grew from `start` by `ids`.

    `accepted`: one count per merged step, how many of the step's first ids were proposals; a step adds one more id of
    the target's own, unless the answer ended inside the proposals. `heard`: proposals applied when the step began.
    `admitted`: how many proposals a step will look at; None: no limit beside the window. `timings`: not told each time.
    `log_probabilities`: one for each id where the answer was opened so, else none.
    """

    start: int
    ids: tuple[int, ...]
    accepted: tuple[int, ...] = ()
    heard: int = 0
    admitted: int | None = None
    timings: Timings | None = None
    log_probabilities: tuple[float, ...] = ()

    def merged(self, later: Commit) -> Commit:
        """This commit and the one that follows it, as one."""
        if later.start != self.start + len(self.ids):
            raise ValueError(
                f"a commit from {later.start} does not follow [{self.start}, {self.start}+{len(self.ids)})"
            )
        return Commit(
            self.start,
            self.ids + later.ids,
            self.accepted + later.accepted,
            later.heard,
            later.admitted,
            later.timings,
            self.log_probabilities + later.log_probabilities,
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing follows. `length` tokens are committed in all."""

    reason: FinishReason
    length: int


def agreement(some: Sequence[int], others: Sequence[int]) -> int:
    """How many ids from the first on are equal."""
    count = 0
    for left, right in zip(some, others, strict=False):
        if left != right:
            break
        count += 1
    return count
