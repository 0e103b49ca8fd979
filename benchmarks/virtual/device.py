"""A device on a virtual clock: the real control, a draft that says what a trace says, forwards that take time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.virtual.clock import Clock
from benchmarks.virtual.edge import Manner, StepCurve, VirtualEdge
from benchmarks.virtual.traces import Trace
from benchmarks.virtual.wire import Wire
from device_client.draft.control import Control, Forward
from device_client.draft.policy import Handing, Move
from shared.speculation.marks import Mark
from shared.speculation.messages import COUPLED, Claim, Commit, Judging, Propose, Yield

PAPER_IDS = 151_674  # of the paper's vocabulary
PACKET = 1448  # bytes


@dataclass(frozen=True)
class Costs:
    """Seconds; bytes a second each way. `ride`: of a draft token, that one more in the same forward takes.

    `loss`: share of packets; a lost one comes a round trip later, and holds up all behind it. `rows`: ids of the
    vocabulary, for whole rows. `lead`: how long the device may draft before the edge says the first token.
    """

    draft: float
    step: StepCurve
    round_trip: float
    bytes_per_second: float = 100e6 / 8
    ride: float = 0.1
    loss: float = 0.0
    rows: int = PAPER_IDS
    lead: float = 0.0


@dataclass(frozen=True)
class Replayed:
    """`seconds` from the first token's arrival to the last one's; `alone`: of the target alone over the same link.

    `computed`: tokens that the target computed; `drafting`: seconds that the device drafted. `accepted`: proposals that
    stood in a step; `unverified`: those of them that a gate let through. `arrivals`: of each token, seconds. `wire`:
    what was said.
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
    unverified: int
    accepted: int
    arrivals: tuple[float, ...]
    wire: Wire
    beside: int = 0
    stood: int = 0


class VirtualDevice:
    """The moves of a `Control`, as `draft.ahead` makes them."""

    def __init__(
        self, trace: Trace, costs: Costs, control: Control, manner: Manner, judging: Judging = COUPLED
    ) -> None:
        self._trace, self._costs, self._clock = trace, costs, Clock()
        self._edge = VirtualEdge(self._clock, trace.ids, costs.step, manner, self._say_down)
        self._manner, self._control = manner, control
        self._busy = False
        self._yielded = False
        self._told = 0
        self._line_free = [0.0, 0.0]  # when the way up, and the way down, has carried what was said
        self._last = [0.0, 0.0]  # when the last of it arrives
        self._luck = random.Random(len(trace.ids))
        self._wire = Wire(judging, costs.rows)
        self._arrivals: list[float] = []
        self._drafting = 0.0
        self._foreseen = self._corrections = self._unverified = self._accepted = 0

    def run(self) -> Replayed:
        """To the arrival of the last token."""
        self._clock.at(0.0, self._move)
        self._edge.begin(self._costs.lead)
        length = len(self._trace.ids)
        self._clock.run(until=lambda: len(self._control.conversation.committed) >= length)
        return Replayed(
            seconds=self._arrivals[-1] - self._arrivals[0],
            alone=(length - 1) * self._costs.step.of(1),
            tokens=length,
            steps=self._edge.steps,
            computed=self._edge.tokens,
            drafting=self._drafting,
            words=self._wire.words["up", "propose"],
            up_bytes=sum(size for (way, _), size in self._wire.payload.items() if way == "up"),
            foreseen=self._foreseen,
            corrections=self._corrections,
            unverified=self._unverified,
            accepted=self._accepted,
            arrivals=tuple(self._arrivals),
            wire=self._wire,
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
            if control.closes:
                control.conversation.close()
            self._say_up()
            move = control.move(self._limit(), now)
        quiet = move is Move.QUIET and control.handing is not Handing.STREAM
        if quiet != self._yielded:
            self._yielded = quiet
            self._carry(0, self._wire.word(), lambda: self._edge.hear(Yield(quiet)))
        if move is Move.DRAFT:
            self._busy = True
            forward = control.forward()
            seconds = self._costs.draft * (1 + self._costs.ride * (len(forward.texts) - 1))
            self._drafting += seconds
            self._clock.after(seconds, lambda: self._drafted(forward, now))

    def _drafted(self, forward: Forward, begin: float) -> None:
        self._busy = False
        drawn = [(self._trace.choice(text), self._mark(text)) for text in forward.texts]
        self._control.drafted(forward, drawn, begin, self._clock.now)
        self._move()

    def _mark(self, text: Sequence[int]) -> Mark | None:
        return Mark(Claim(given=self._trace.lets_through(text))) if self._trace.given else None

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
        size = self._wire.propose(len(propose.ids), len(propose.ids) - propose.given.bit_count())
        plain = replace(propose, given=0, closed=False)  # the trace knows what becomes of what is given or ends a block
        self._carry(0, size, lambda: self._edge.hear(plain))

    def _say_down(self, commit: Commit) -> None:
        size = self._wire.commit(len(commit.ids), corrects=self._edge.fell)
        self._carry(1, size, lambda: self._heard(commit))

    def _carry(self, way: int, size: int, arrives: Callable[[], None]) -> None:
        """One word behind the other through a line of so many bytes a second, then half the round trip."""
        begin = max(self._clock.now, self._line_free[way])
        self._line_free[way] = begin + size / self._costs.bytes_per_second
        packets = 1 + size // PACKET
        late = self._costs.round_trip * any(self._luck.random() < self._costs.loss for _ in range(packets))
        self._last[way] = max(self._last[way], self._line_free[way] + self._costs.round_trip / 2 + late)
        self._clock.at(self._last[way], arrives)

    def _heard(self, commit: Commit) -> None:
        now = self._clock.now
        self._control.flight.committed(commit, now)
        self._accepted += sum(commit.accepted)
        if self._trace.given:
            stood = range(commit.start, commit.start + sum(commit.accepted))
            self._unverified += sum(self._trace.given[place][0] for place in stood)
        taken = self._control.heard(commit, now)
        self._corrections += taken.corrected
        self._foreseen += taken.foreseen
        self._arrivals += [now] * len(commit.ids)
        if 2 * (len(self._control.conversation.committed) - self._told) >= self._manner.max_ahead:
            self._say_up()
        self._move()
