"""The port between what knows the stream and what decides how to go on.

A policy is asked with a `View` for its next `Move`, and told by a `Lesson` what became of its tokens. It knows neither
models nor the wire nor a clock: a moment comes with the view. Whatever it says, the text is the target's.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.speculation.coupled import Choice


class Move(enum.Enum):
    """Draft another token, hand over what was not sent, wait for word, or be quiet until something changes."""

    DRAFT = "draft"
    SEND = "send"
    WAIT = "wait"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds, as measured on the stream; None: not yet.

    `draft`: of a token. `step`: of the target's forward. `beat`: between two steps of this answer, queueing included.
    `round_trip`: of a word, without what the edge held.
    """

    draft: float | None = None
    step: float | None = None
    beat: float | None = None
    round_trip: float | None = None

    @property
    def known(self) -> tuple[float, float, float] | None:
        """Draft, beat and round trip, if all of them were measured."""
        if self.draft is None or self.beat is None or self.round_trip is None:
            return None
        return self.draft, self.beat, self.round_trip


class Handing(enum.Enum):
    """When tokens go out: as they come; held until the policy hands them over; or held, and none drafted meanwhile.

    An eager edge steps anyway, so the first word counts; a thrifty one steps over what it has, so the last one does.
    LOCKSTEP is stop-and-wait: draft, send, wait for the commit; of branches alone some are drafted meanwhile.
    """

    STREAM = "stream"
    HOLD = "hold"
    LOCKSTEP = "lockstep"


@dataclass(frozen=True, slots=True)
class View:
    """What a policy sees. `path`: the tokens drafted beyond the committed ones; chances[i]: that path[i] stands if
    those before it do.

    `compared`: how many of the path the edge will compare: those that no gate lets through.
    `sent`: how many of the path were handed over; the edge has not answered for them. `room`: how many more may be
    drafted. `typical`: the chance of a token that is not drafted yet. `now`, `heard_at`, `said_at`: seconds of one
    clock; when the last commit came and when tokens were last sent (0.0: never).
    """

    path: Sequence[Choice]
    chances: Sequence[float]
    sent: int
    room: int
    typical: float
    times: Times
    handing: Handing
    now: float
    heard_at: float
    said_at: float
    compared: int = 0

    @property
    def unsent(self) -> int:
        """Drafted and not handed over."""
        return len(self.path) - self.sent


@dataclass(frozen=True, slots=True)
class Lesson:
    """A commit decided these tokens of the path: the first `stood` stood, and one fell, if there is one more.

    `went_further`: the text went on beyond the whole path.
    """

    decided: Sequence[Choice]
    stood: int
    went_further: bool


class Policy(Protocol):
    """How far to draft and when to hand over."""

    def propose(self, view: View) -> Move:
        """How to go on. DRAFT only if there is room, SEND only if something is unsent."""

    def learn(self, lesson: Lesson) -> None:
        """What became of the tokens."""


WORDS_A_STEP = 8  # most messages with drafted tokens while the target makes a step: each costs the edge time


def handed(view: View, *, more: bool, words: int = WORDS_A_STEP) -> Move:
    """The move of a policy that says no more than whether to draft `more` of this path."""
    more = more and view.room > 0
    match view.handing:
        case Handing.LOCKSTEP if view.sent:
            return Move.WAIT
        case Handing.STREAM if view.unsent:
            step = view.times.step  # before the first one each word doubles what was said
            due = view.now >= view.said_at + step / words if step else 2 * view.unsent >= len(view.path)
            return Move.SEND if due or not more else Move.DRAFT
        case _:
            if more:
                return Move.DRAFT
            return Move.SEND if view.unsent else Move.WAIT


_OVERDUE = 0.25  # of a beat: how soon a commit is taken to come that should have come already


def in_the_way(view: View, chance: float) -> bool:
    """Whether a forward that is of use with this `chance` would keep a correction waiting that is about to come.

    To wait costs the device the time until the commit, if the forward is of use; not to wait the time after it, if not.
    """
    if view.times.known is None:
        return False
    draft, beat, round_trip = view.times.known
    since = view.heard_at
    if view.handing is Handing.LOCKSTEP and view.times.step is not None:  # it began with what was said
        since, beat = view.said_at, view.times.step + round_trip
    due = since + beat - view.now
    if due <= 0:
        due = _OVERDUE * beat
    return due < draft and chance * due < (1 - chance) * (draft - due)
