"""The edge's side of the conversation: what is committed, what the device holds beyond it, and what a step may verify.

Guarantees: nothing is pending unless the device's path agrees with the committed text; a step never runs further than
`max_ahead` past what the device has acknowledged. It does not know models, threads or the wire.

    [0, seen)  committed and acknowledged     [seen, len(committed))  committed, on its way to the device
    [seen, seen + len(tail))  the mirror: the device's own ids as last heard
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.errors import InvalidValue, OutOfStep, Unsupported
from shared.speculation.messages import Commit, Pace, Propose, Timings, agreement


@dataclass(frozen=True, slots=True)
class Rules:
    """What an edge allows one device: tokens held beyond `seen`, tokens committed beyond `seen`, and ids.

    `rows`: width of the target's logit row. `placeholder_ids` stand for pictures; as a proposal one would break the
    forward of everybody in the step.
    """

    window: int
    max_ahead: int
    rows: int
    placeholder_ids: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """What a step that begins now may verify: `ids` for `[start, start + len(ids))`, after `heard` proposes."""

    start: int
    ids: tuple[int, ...]
    heard: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of `known` proposals, one behind the other: the first `stood` are the target's own."""

    known: int
    stood: int


_FATES = 64  # kept until somebody asks: a device that talks a lot does not fill the memory


class EdgeConversation:
    """One answer as the edge sees it. The only writer of the committed text is `commit`.

    `overtaken`: the fates of proposals that no step has verified, known because the text has got there without them.
    """

    def __init__(self, rules: Rules, committed: Sequence[int] = ()) -> None:
        self.committed = list(committed)
        self.heard = 0
        self.yielded = False
        self._rules = rules
        self._seen = len(self.committed)
        self._tail: list[int] = []
        self.overtaken: deque[Fate] = deque(maxlen=_FATES)
        self._judged = self._seen  # proposals before this position have had their fate told
        self._opened_with = len(self.committed)
        self._log_probabilities: list[float] = []  # of the ids committed since then, if they are told

    def hear(self, propose: Propose) -> None:
        """Take a proposal or an acknowledgement. Raises InvalidValue, OutOfStep, Unsupported; nothing changes then."""
        self._check(propose)
        acknowledged = propose.seen - self._seen
        mirrored = self._seen + len(self._tail)
        if propose.base == propose.seen and (acknowledged > 0 or not self._tail):
            self._tail = list(propose.ids)
            self._judged = propose.seen
        elif propose.base == mirrored:
            self._tail = self._tail[acknowledged:] + list(propose.ids)
        else:
            raise OutOfStep(f"propose.base is {propose.base}: the path before it ends at {mirrored}")
        self._seen = propose.seen
        self.heard += 1
        self._judge()

    @property
    def mirror(self) -> list[int]:
        """The device's text as last heard: what it had committed, and its own path."""
        return self.committed[: self._seen] + self._tail

    @property
    def live(self) -> bool:
        """Whether the mirror and the committed text agree as far as both go."""
        ahead = self.committed[self._seen :]
        overlap = min(len(ahead), len(self._tail))
        return self._tail[:overlap] == ahead[:overlap]

    def pending(self) -> Pending:
        """What a step that begins now may verify."""
        room = max(0, self._rules.max_ahead - self._ahead - 1)  # the step adds one token of its own
        return Pending(len(self.committed), tuple(self._proposals()[:room]), self.heard)

    @property
    def has_room(self) -> bool:
        """Whether a step may commit more than the device has acknowledged."""
        return self._ahead < self._rules.max_ahead

    def may_step(self, pace: Pace) -> bool:
        """Whether a target step is wanted now. At pace auto more steps may come, in their turn."""
        if not self.has_room:
            return False
        return pace is Pace.EAGER or self.yielded or bool(self._proposals())

    def commit(
        self,
        verified: Pending,
        ids: Sequence[int],
        timings: Timings | None = None,
        admitted: int | None = None,
        log_probabilities: Sequence[float] = (),
    ) -> Commit:
        """Add what a step on `verified` brought: a prefix of its ids and at most one more.

        `admitted`: how many proposals a step will look at, for the device to know; None: no limit beside the window.
        `log_probabilities`: one for each id in every commit of an answer, or none in any.
        """
        if verified.start != len(self.committed):
            raise ValueError(f"a step from {verified.start} cannot commit after {len(self.committed)} tokens")
        accepted = agreement(verified.ids, ids)
        self.committed.extend(ids)
        self._judged = max(self._judged, verified.start + len(verified.ids))  # whoever verified them knows
        self._judge()
        told = tuple(log_probabilities)
        self._log_probabilities.extend(told)
        return Commit(verified.start, tuple(ids), (accepted,), verified.heard, admitted, timings, told)

    def resume(self, seen: int) -> Commit:
        """A new stream of a device that has `seen` tokens: both ends hold the committed text, nothing is in flight."""
        if not self._seen <= seen <= len(self.committed):
            raise OutOfStep(f"resume.seen is {seen}: must lie between {self._seen} and {len(self.committed)}")
        self._seen = seen
        self._tail = self.committed[seen:]
        self._judged = len(self.committed)
        self.heard = 0
        self.yielded = False
        told = tuple(self._log_probabilities[seen - self._opened_with :])
        return Commit(seen, tuple(self.committed[seen:]), log_probabilities=told)

    @property
    def _ahead(self) -> int:
        return len(self.committed) - self._seen

    def _judge(self) -> None:
        """Tell the fate of proposals that the committed text has reached; behind a wrong one there is none."""
        end = min(len(self.committed), self._seen + len(self._tail))
        begin = max(self._judged, self._seen)
        if end > begin:
            mirror, self._judged = self.mirror, end
            if mirror[self._seen : begin] == self.committed[self._seen : begin]:
                self.overtaken.append(Fate(end - begin, agreement(mirror[begin:end], self.committed[begin:end])))

    def _proposals(self) -> list[int]:
        return self._tail[self._ahead :] if self.live else []

    def _check(self, propose: Propose) -> None:
        for name in ("given", "draft_probability", "parents"):
            if getattr(propose, name):
                raise Unsupported(f"propose.{name} is set: this edge compares chains of ids, by the rule coupled")
        seen, held = propose.seen, propose.base + len(propose.ids) - propose.seen
        if not self._seen <= seen <= len(self.committed):
            raise InvalidValue("propose.seen", seen, f"must lie between {self._seen} and {len(self.committed)}")
        if propose.base < seen:
            raise InvalidValue("propose.base", propose.base, f"must be at least propose.seen, {seen}")
        if held > self._rules.window:
            raise InvalidValue("propose.ids", f"{held} ids beyond seen", f"the window is {self._rules.window}")
        for token in propose.ids:
            if token >= self._rules.rows:
                raise InvalidValue("propose.ids", token, f"the target's ids are below {self._rules.rows}")
            if token in self._rules.placeholder_ids:
                raise InvalidValue("propose.ids", token, "stands for a picture and cannot be part of an answer")
