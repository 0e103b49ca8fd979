"""What two free-running streams can bring at best: the protocol's own conversations on a virtual clock.

Guarantees: nothing is fitted to the speed that it foretells; it knows measured times (a draft token, a step by the
number of its tokens, the round trip), where the draft agrees with the target, and the rules. Software costs nothing.

    device    one draft after another, each proposal leaving as soon as it is drafted; a draft once begun is finished
    link      half the round trip each way, whatever the size
    edge      one step after another over what has arrived, as far as the cost rule admits
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from device_client.flight import Flight
from edge_server.engine.cost import Experience, Load, StepTime, Survival, admit
from shared.speculation.device import REST, DeviceConversation
from shared.speculation.edge import EdgeConversation, Pending, Rules
from shared.speculation.messages import Commit, Pace, Propose, Timings

RIGHT, WRONG = 0, 1  # ids: all that matters of a token is whether it is the target's
_STEPS_FITTED = 200


@dataclass(frozen=True)
class Times:
    """Seconds. `step[n - 1]`: of a step over n tokens; longer ones go on with the last slope.

    `lead`: how long before the edge's first commit the device began to draft.
    """

    draft: float
    step: tuple[float, ...]
    round_trip: float
    lead: float = 0.0

    def of_step(self, tokens: int) -> float:
        """A step over `tokens` tokens."""
        known = len(self.step)
        if tokens <= known:
            return self.step[tokens - 1]
        return self.step[-1] + (tokens - known) * (self.step[-1] - self.step[-2] if known > 1 else 0.0)


@dataclass(frozen=True)
class Reach:
    """How far ends go ahead, in tokens. `told`: the edge tells the device how many proposals it will look at."""

    window: int = 16
    max_ahead: int = 64
    told: bool = True


@dataclass(frozen=True)
class Foretold:
    """`seconds` from the first token's arrival to the last one's; `alone`: of the target alone, over the same link."""

    seconds: float
    alone: float
    steps: int

    @property
    def ratio(self) -> float:
        """How many times as fast as the target alone."""
        return self.alone / self.seconds


def foretell(matches: Sequence[bool], times: Times, reach: Reach = Reach()) -> Foretold:
    """One answer; matches[t]: whether the draft says the target's token t if all before it are the target's."""
    play = _Play(list(matches), times, reach)
    play.run()
    alone = (len(matches) - 1) * times.of_step(1)
    return Foretold(play.arrivals[-1] - play.arrivals[0], alone, play.steps)


@dataclass
class _Play:
    """Events in order of time: what arrives, a draft done, a step done."""

    matches: list[bool]
    times: Times
    reach: Reach
    arrivals: list[float] = field(default_factory=list)  # of commits at the device
    steps: int = 0
    _now: float = 0.0
    _queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _counter: int = 0
    _drafting: bool = False
    _stepping: bool = True  # the prefill, until the first commit

    def __post_init__(self) -> None:
        rules = Rules(self.reach.window, self.reach.max_ahead, 2)
        self._device = DeviceConversation(self.reach.window, rest=REST if self.reach.told else 0)
        self._edge = EdgeConversation(rules)
        self._survival = Survival(Experience())
        self._step_time = _fitted(self.times)
        self._flight = Flight()
        self._told = 0
        self._heard_at = 0.0

    def run(self) -> None:
        """To the arrival of the last token."""
        self._at(0.0, self._draft)
        self._at(self.times.lead, self._step_done(self._edge.pending()))
        while self._queue and len(self._device.committed) < len(self.matches):
            self._now, _, event = heapq.heappop(self._queue)
            event()

    def _at(self, time: float, event: Callable[[], None]) -> None:
        self._counter += 1
        heapq.heappush(self._queue, (time, self._counter, event))

    def _draft(self) -> None:
        """Begin a draft if there is room."""
        device = self._device
        length = len(device.committed) + len(device.path)
        if self._drafting or not self._may_draft():
            return
        self._drafting = True
        right = self.matches[length] and WRONG not in device.path
        version = device.version
        self._at(self._now + self.times.draft, lambda: self._drafted(RIGHT if right else WRONG, version))

    def _drafted(self, token: int, version: int) -> None:
        self._drafting = False
        self._device.draft(token, version)
        self._say()
        self._draft()

    def _say(self) -> None:
        propose = self._device.outgoing()
        if propose is not None:
            self._told = propose.seen
            self._flight.proposed(self._now)
            self._at(self._now + self.times.round_trip / 2, lambda: self._heard(propose))

    def _heard(self, propose: Propose) -> None:
        self._edge.hear(propose)
        self._heard_at = self._now
        self._step()

    def _step(self) -> None:
        """Begin a step if one may run."""
        if self._stepping or self._left() <= 0 or not self._edge.may_step(Pace.EAGER):
            return
        self._stepping = True
        pending = self._edge.pending()
        most = admit([self._survival.paths(len(pending.ids))], Load(1, 1, 0), self._step_time)[0]
        pending = Pending(pending.start, pending.ids[:most], pending.heard)
        self._at(self._now + self.times.of_step(1 + most), self._step_done(pending))

    def _step_done(self, pending: Pending) -> Callable[[], None]:
        heard_at = self._heard_at

        def done() -> None:
            stood = next((i for i, token in enumerate(pending.ids) if token == WRONG), len(pending.ids))
            if pending.ids:
                self._survival.saw(len(pending.ids), stood)
            ids = [RIGHT] * min(stood + 1, self._left())
            timings = Timings(held_us=round(1e6 * (self._now - heard_at)))
            commit = self._edge.commit(pending, ids, timings, self._admitted())
            while self._edge.overtaken:
                fate = self._edge.overtaken.popleft()
                self._survival.saw(fate.known, fate.stood)
            self.steps += 1
            self._at(self._now + self.times.round_trip / 2, lambda: self._told_of(commit))
            self._stepping = False
            self._step()

        return done

    def _told_of(self, commit: Commit) -> None:
        self._device.hear(commit)
        self._flight.committed(commit, self._now)
        self.arrivals.append(self._now)
        if 2 * (len(self._device.committed) - self._told) >= self.reach.max_ahead or not self._may_draft():
            self._say()
        self._draft()

    def _may_draft(self) -> bool:
        device = self._device
        return device.wanted(self._flight.tokens) > 0 and len(device.committed) + len(device.path) < len(self.matches)

    def _admitted(self) -> int | None:
        whole = self._survival.paths(min(self.reach.window, self.reach.max_ahead - 1))
        return admit([whole], Load(1, 1, 0), self._step_time)[0] if self.reach.told else None

    def _left(self) -> int:
        return len(self.matches) - len(self._edge.committed)


def _fitted(times: Times) -> StepTime:
    """The engine's own estimate, once it has seen steps of every size."""
    fitted = StepTime()
    sizes = range(1, len(times.step) + 1)
    for number in range(_STEPS_FITTED):
        tokens = sizes[number % len(sizes)]
        fitted.saw(Load(tokens, 1, 0), times.of_step(tokens))
    return fitted
