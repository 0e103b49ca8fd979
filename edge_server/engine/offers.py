"""The mailbox of one session: the stream puts proposals in, the engine asks what is pending.

Guarantees: safe between the stream's thread and the engine's. It wakes the engine whenever a step may have become
possible. It does not know models or the wire.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import Commit, Pace, Propose, Timings, Yield
from shared.speculation.pending import Fate, Pending
from shared.speculation.residual import Rejected
from shared.speculation.tree import Tree

TIMED_EVERY = 4  # commits: times change slowly, and on each commit they would be a third of its bytes


def timed(number: int, every: int = TIMED_EVERY) -> bool:
    """Whether commit `number` of an answer, from 0, tells times: each fourth; and 1, for 0 tells of the prompt."""
    return number == 1 or number % every == 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a step verifies, the text before it, and when the newest of its proposals was heard (seconds).

    `waiting`: how many proposals it could have verified.
    """

    pending: Pending
    committed: tuple[int, ...]
    heard_at: float
    waiting: int


class Offers:
    """One session's conversation behind a lock. `clock`: monotonic seconds.

    Called without the lock: `wake`, and `answer` with what is due at once to what was heard.
    """

    def __init__(self, rules: Rules, committed: Sequence[int], clock: Callable[[], float]) -> None:
        self.wake: Callable[[], None] = _nobody
        self.answer: Callable[[Commit], None] = _nobody_reads
        self.most = min(rules.window, rules.max_ahead - 1)  # proposals that a step could ever find waiting
        self._conversation = EdgeConversation(rules, committed)
        self._clock = clock
        self._heard_at = clock()
        self._commits = 0
        self._lock = threading.Lock()

    def hear(self, message: Propose | Yield) -> None:
        """Take what the device says. Raises InvalidValue, OutOfStep, Unsupported."""
        due = None
        with self._lock:
            match message:
                case Propose():
                    due = self._conversation.hear(message)
                    self._heard_at = self._clock()
                case Yield():
                    self._conversation.yielded = message.on
                case _:
                    assert_never(message)
        if due is not None:
            self.answer(due)
        self.wake()

    def may_step(self, pace: Pace) -> bool:
        """Whether a target step is wanted now."""
        with self._lock:
            return self._conversation.may_step(pace)

    @property
    def begun(self) -> bool:
        """Whether a step has committed anything: the prompt has been taken."""
        return self._commits > 0

    @property
    def has_room(self) -> bool:
        """Whether a step may commit more than the device has acknowledged."""
        with self._lock:
            return self._conversation.has_room

    @property
    def waiting(self) -> Tree:
        """The proposals that a step that begins now could verify."""
        with self._lock:
            return self._conversation.pending().tree

    def take(self, most: int | None = None, chances: Callable[[Tree], Sequence[float]] | None = None) -> Offer:
        """What a step that begins now verifies: all proposals, or the likeliest `most`; without `chances` the first."""
        with self._lock:
            pending = self._conversation.pending()
            taken = pending.first(most) if chances is None else pending.best(most, chances(pending.tree))
            return Offer(taken, tuple(self._conversation.committed), self._heard_at, len(pending.ids))

    @property
    def newest(self) -> tuple[int, float]:
        """How many Proposes this stream has brought, and when the newest of them was heard."""
        with self._lock:
            return self._conversation.heard, self._heard_at

    def overtaken(self) -> list[Fate]:
        """What became of proposals that no step has verified, since this was last asked."""
        with self._lock:
            fates = list(self._conversation.overtaken)
            self._conversation.overtaken.clear()
            return fates

    def commit(
        self,
        offer: Offer,
        ids: Sequence[int],
        step_seconds: float,
        admitted: int | None = None,
        log_probabilities: Sequence[float] = (),
    ) -> Commit:
        """Add what the step on `offer` brought. `admitted`: how many proposals a step will look at."""
        with self._lock:
            timings = None
            if timed(self._commits):
                timings = Timings(_microseconds(step_seconds), _microseconds(self._clock() - offer.heard_at))
            self._commits += 1
            return self._conversation.commit(offer.pending, ids, timings, admitted, log_probabilities)

    def reject(self, commit: Commit, rejected: Rejected) -> Commit:
        """The step of `commit` has rejected the proposal behind its ids, which the device is to correct."""
        with self._lock:
            return self._conversation.reject(commit, rejected)

    def resume(self, seen: int) -> Commit:
        """A new stream of a device that has `seen` tokens. Raises OutOfStep."""
        with self._lock:
            self._heard_at = self._clock()
            return self._conversation.resume(seen)

    def close(self) -> None:
        """The answer is over: nothing is said to what still comes."""
        self.answer = _nobody_reads

    @property
    def length(self) -> int:
        """Tokens committed."""
        with self._lock:
            return len(self._conversation.committed)


def _nobody() -> None:
    """Nobody waits for this mailbox yet."""


def _nobody_reads(_: Commit) -> None:
    """Nobody reads the answers of this mailbox yet."""


def _microseconds(seconds: float) -> int:
    return max(0, round(seconds * 1e6))
