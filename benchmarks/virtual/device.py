"""A device on a virtual clock: the real control, a draft that says what a trace says, forwards that take time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.virtual.clock import Clock
from benchmarks.virtual.edge import Manner, StepCurve, VirtualEdge
from benchmarks.virtual.traces import Trace
from device_client.draft.control import Control, Forward
from device_client.draft.policy import Handing, Move
from shared.speculation.messages import Commit, Propose, Yield

WORD_BYTES, ID_BYTES = 24, 3  # of a framed Propose; of a Commit about the same


@dataclass(frozen=True)
class Costs:
    """Seconds; bytes a second each way. `ride`: of a draft token, that one more in the same forward takes."""

    draft: float
    step: StepCurve
    round_trip: float
    bytes_per_second: float = 100e6 / 8
    ride: float = 0.1


@dataclass(frozen=True)
class Replayed:
    """`seconds` from the first token's arrival to the last one's; `alone`: of the target alone over the same link.

    `computed`: tokens that the target computed; `drafting`: seconds that the device drafted.
    """

    seconds: float
    alone: float
    tokens: int
    steps: int
    computed: int
    drafting: float
    words: int
    up_bytes: int
    foreseen: int
    corrections: int
    beside: int = 0
    stood: int = 0


class VirtualDevice:
    """The moves of a `Control`, as `draft.ahead` makes them."""

    def __init__(self, trace: Trace, costs: Costs, control: Control, manner: Manner) -> None:
        self._trace, self._costs, self._clock = trace, costs, Clock()
        self._edge = VirtualEdge(self._clock, trace.ids, costs.step, manner, self._say_down)
        self._manner, self._control = manner, control
        self._busy = False
        self._yielded = False
        self._told = 0
        self._line_free = [0.0, 0.0]  # when the way up, and the way down, has carried what was said
        self._arrivals: list[float] = []
        self._drafting = 0.0
        self._words = self._bytes = self._foreseen = self._corrections = 0

    def run(self) -> Replayed:
        """To the arrival of the last token."""
        self._clock.at(0.0, self._move)
        self._edge.begin(0.0)
        length = len(self._trace.ids)
        self._clock.run(until=lambda: len(self._control.conversation.committed) >= length)
        return Replayed(
            seconds=self._arrivals[-1] - self._arrivals[0],
            alone=(length - 1) * self._costs.step.of(1),
            tokens=length,
            steps=self._edge.steps,
            computed=self._edge.tokens,
            drafting=self._drafting,
            words=self._words,
            up_bytes=self._bytes,
            foreseen=self._foreseen,
            corrections=self._corrections,
            beside=self._control.conversation.told.beside,
            stood=self._control.conversation.told.stood,
        )

    def _move(self) -> None:
        if self._busy:
            return
        control, now = self._control, self._clock.now
        move = control.move(self._limit(), now)
        while move is Move.SEND:
            control.said(now)
            self._say_up()
            move = control.move(self._limit(), now)
        quiet = move is Move.QUIET and control.handing is not Handing.STREAM
        if quiet != self._yielded:
            self._yielded = quiet
            self._carry(0, 8, lambda: self._edge.hear(Yield(quiet)))
        if move is Move.DRAFT:
            self._busy = True
            forward = control.forward()
            seconds = self._costs.draft * (1 + self._costs.ride * (len(forward.texts) - 1))
            self._drafting += seconds
            self._clock.after(seconds, lambda: self._drafted(forward, now))

    def _drafted(self, forward: Forward, begin: float) -> None:
        self._busy = False
        choices = [self._trace.choice(text) for text in forward.texts]
        self._control.drafted(forward, choices, begin, self._clock.now)
        self._move()

    def _limit(self) -> int:
        conversation = self._control.conversation
        return len(self._trace.ids) - len(conversation.committed) - len(conversation.path)

    def _say_up(self) -> None:
        propose = self._control.conversation.outgoing()
        if propose is not None:
            self._told = propose.seen
            self._control.flight.proposed(self._clock.now)
            self._hear_later(propose)

    def _hear_later(self, propose: Propose) -> None:
        size = WORD_BYTES + ID_BYTES * len(propose.ids)
        self._words += 1
        self._bytes += size
        self._carry(0, size, lambda: self._edge.hear(propose))

    def _say_down(self, commit: Commit) -> None:
        self._carry(1, WORD_BYTES + ID_BYTES * len(commit.ids), lambda: self._heard(commit))

    def _carry(self, way: int, size: int, arrives: Callable[[], None]) -> None:
        """One word behind the other through a line of so many bytes a second, then half the round trip."""
        begin = max(self._clock.now, self._line_free[way])
        self._line_free[way] = begin + size / self._costs.bytes_per_second
        self._clock.at(self._line_free[way] + self._costs.round_trip / 2, arrives)

    def _heard(self, commit: Commit) -> None:
        now = self._clock.now
        self._control.flight.committed(commit, now)
        taken = self._control.heard(commit, now)
        self._corrections += taken.corrected
        self._foreseen += taken.foreseen
        self._arrivals.append(now)
        if 2 * (len(self._control.conversation.committed) - self._told) >= self._manner.max_ahead:
            self._say_up()
        self._move()
