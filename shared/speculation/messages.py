"""The messages of one answer as both conversations see them, free of the wire.

Positions count output tokens of this answer, from 0. Interval of a commit: `[start, start + len(ids))`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace


class Pace(enum.Enum):
    """When a target step may run: whenever free, only with proposals, or as the batch has room and in its turn."""

    EAGER = "eager"
    THRIFTY = "thrifty"
    AUTO = "auto"


class Rule(enum.Enum):
    """How proposals are judged: compared with the target's own choice, or accepted with min(1, target / draft)."""

    COUPLED = "coupled"
    REJECTION = "rejection"


class Evidence(enum.Enum):
    """What goes up of the law that a proposal was drawn from, by the rule rejection.

    SCALAR: the proposal's own probability; after a rejection the device draws the correction from the target's row.
    With the others the edge has all it needs and corrects itself: a proposal that was not drawn, a sparse law, a whole
    row.
    """

    SCALAR = "scalar"
    POINT = "point"
    SPARSE = "sparse"
    DENSE = "dense"


@dataclass(frozen=True, slots=True)
class Judging:
    """How the proposals of a session are judged. `lossy`: those marked as given are taken without comparing."""

    rule: Rule = Rule.COUPLED
    evidence: Evidence = Evidence.SCALAR
    lossy: bool = False

    @property
    def plain(self) -> bool:
        """Whether a proposal is an id and nothing else."""
        return self.rule is Rule.COUPLED and not self.lossy


COUPLED = Judging()


class FinishReason(enum.Enum):
    """Why an answer ended. The edge says EOS, STOP or LENGTH; the device says CANCELLED or DONE."""

    EOS = "eos"
    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SparseLaw:
    """A draft's law that goes up: ids, ascending, and their counts, which sum to a power of two."""

    ids: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What goes with a proposal. `given`: it is to be taken without comparing; `corrects`: because the device drew it
    as a correction. Else by the rule rejection its `probability`, its `law`, or neither, as the evidence is.
    """

    given: bool = False
    corrects: bool = False
    probability: float | None = None
    law: SparseLaw | bytes | None = None


@dataclass(frozen=True, slots=True)
class Propose:
    """The device's guess for `[base, base + len(ids))`, said when `seen` tokens were committed at the device.

    base == seen: the path (re)starts there; base > seen: it goes on where the last one ended. No ids: seen is
    acknowledged, or, where the edge waits for a correction, the row was not enough to draw it. `given`: bit i for
    ids[i]. The rule rejection alone has `draft_probability`, `laws` and `rows` (float32): of those three the session's
    evidence is there, one for each id that is not given; and `closed`: behind these ids nothing is drafted until they
    are judged, so that a step that takes them all adds a token of the target's own. `parents` belong to trees.
    """

    seen: int
    base: int
    ids: tuple[int, ...] = ()
    given: int = 0
    draft_probability: tuple[float, ...] = ()
    parents: tuple[int, ...] = ()
    laws: tuple[SparseLaw, ...] = ()
    rows: tuple[bytes, ...] = ()
    closed: bool = False


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
class ResidualRow:
    """A target's law where a proposal was rejected, numbers of float32. `partial`: these ids are not all."""

    ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """The committed text grew from `start` by `ids`.

    `accepted`: one count per merged step, how many of the step's first ids were proposals; a step adds one more id of
    the target's own, unless the answer ended inside the proposals or by the rule rejection. `heard`: proposals applied
    when the step began. `admitted`: how many proposals a step will look at; None: no limit beside the window.
    `timings`: not told each time. `log_probabilities`: one for each id where the answer was opened so, else none.
    `residual`: the proposal behind `ids` was rejected, and the edge waits for the device's correction. `lossy`: how
    many of `ids` were taken without comparing.
    """

    start: int
    ids: tuple[int, ...]
    accepted: tuple[int, ...] = ()
    heard: int = 0
    admitted: int | None = None
    timings: Timings | None = None
    log_probabilities: tuple[float, ...] = ()
    residual: ResidualRow | None = None
    lossy: int = 0

    @property
    def whole(self) -> bool:
        """Whether each of its steps has added a token of the target's own: another commit can be merged behind."""
        return len(self.ids) == sum(self.accepted) + len(self.accepted)

    def merged(self, later: Commit) -> Commit:
        """This commit, a whole one, and the one that follows it, as one."""
        if later.start != self.start + len(self.ids):
            raise ValueError(
                f"a commit from {later.start} does not follow [{self.start}, {self.start}+{len(self.ids)})"
            )
        return replace(
            later,
            start=self.start,
            ids=self.ids + later.ids,
            accepted=self.accepted + later.accepted,
            log_probabilities=self.log_probabilities + later.log_probabilities,
            lossy=self.lossy + later.lossy,
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
