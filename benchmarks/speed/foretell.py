"""What two free-running streams can bring at best: the protocol's own conversations on a virtual clock.

Guarantees: nothing is fitted to the speed that it foretells; it knows measured times (a draft token, a step by the
number of its tokens, the round trip), where the draft agrees with the target, and the rules. Software costs nothing.

    device    one draft after another, each proposal leaving as soon as it is drafted; a draft once begun is finished
    link      half the round trip each way, whatever the size
    edge      one step after another over what has arrived, as far as the cost rule admits
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.virtual.clock import Clock
from benchmarks.virtual.edge import Manner, StepCurve, VirtualEdge
from device_client.flight import Flight
from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Commit
from shared.speculation.reach import REST

RIGHT, WRONG = 0, 1  # ids: all that matters of a token is whether it is the target's


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
        return StepCurve(self.step).of(tokens)


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
    return Foretold(play.arrivals[-1] - play.arrivals[0], alone, play.edge.steps)


class _Play:
    """A device that drafts to the window, however sure it is, and says each token at once."""

    def __init__(self, matches: list[bool], times: Times, reach: Reach) -> None:
        self.arrivals: list[float] = []  # of commits at the device
        self._matches, self._times, self._reach = matches, times, reach
        self._clock = Clock()
        self._drafting = False
        self._told = 0
        self._flight = Flight()
        self._device = DeviceConversation(reach.window, rest=REST if reach.told else 0)
        manner = Manner(reach.window, reach.max_ahead, reach.told, timed_every=1)
        truth = [RIGHT] * len(matches)
        self.edge = VirtualEdge(self._clock, truth, StepCurve(times.step), manner, self._say_down)

    def run(self) -> None:
        """To the arrival of the last token."""
        self._clock.at(0.0, self._draft)
        self.edge.begin(self._times.lead)
        self._clock.run(until=lambda: len(self._device.committed) >= len(self._matches))

    def _draft(self) -> None:
        """Begin a draft if there is room."""
        device = self._device
        length = len(device.committed) + len(device.path)
        if self._drafting or not self._may_draft():
            return
        self._drafting = True
        right = self._matches[length] and WRONG not in device.path
        version = device.version
        self._clock.after(self._times.draft, lambda: self._drafted(RIGHT if right else WRONG, version))

    def _drafted(self, token: int, version: int) -> None:
        self._drafting = False
        self._device.draft(token, version)
        self._say_up()
        self._draft()

    def _say_up(self) -> None:
        propose = self._device.outgoing()
        if propose is not None:
            self._told = propose.seen
            self._flight.proposed(self._clock.now)
            self._clock.after(self._times.round_trip / 2, lambda: self.edge.hear(propose))

    def _say_down(self, commit: Commit) -> None:
        self._clock.after(self._times.round_trip / 2, lambda: self._told_of(commit))

    def _told_of(self, commit: Commit) -> None:
        self._device.hear(commit)
        self._flight.committed(commit, self._clock.now)
        self.arrivals.append(self._clock.now)
        if 2 * (len(self._device.committed) - self._told) >= self._reach.max_ahead or not self._may_draft():
            self._say_up()
        self._draft()

    def _may_draft(self) -> bool:
        device = self._device
        return device.wanted(self._flight.tokens) > 0 and len(device.committed) + len(device.path) < len(self._matches)
