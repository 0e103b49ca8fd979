"""One cell of the replay: every policy over the same answers, the best fixed window in hindsight, and branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.virtual.device import Costs, Replayed, VirtualDevice
from benchmarks.virtual.edge import Manner, StepCurve
from benchmarks.virtual.traces import Trace
from device_client.draft.calibration import Calibration
from device_client.draft.control import Control
from device_client.draft.names import PolicyName
from device_client.draft.stopping import Fixed
from device_client.draft.strategy import Strategy
from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Pace
from shared.speculation.reach import REST

POLICIES: tuple[PolicyName, ...] = ("marginal", "fixed", "confidence", "adaedl", "sage", "average")
WINDOWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
EACH = 0.02  # of a step, that each token after the first adds
_CURVE = 17  # tokens


@dataclass(frozen=True)
class Cell:
    """Milliseconds, and megabits a second."""

    step: float
    draft: float
    round_trip: float
    rate: float

    def costs(self, ride: float) -> Costs:
        """The same in seconds."""
        curve = StepCurve(tuple(self.step / 1e3 * (1 + EACH * more) for more in range(_CURVE)))
        return Costs(self.draft / 1e3, curve, self.round_trip / 1e3, self.rate * 1e6 / 8, ride)

    def said(self) -> tuple[str, str, str]:
        """For a table."""
        return f"{self.step:g} : {self.draft:g}", f"{self.round_trip:g}", f"{self.rate:g}"


@dataclass(frozen=True)
class Outcome:
    """How many times as fast as the target alone, without branches by policy, and with them by `marginal`.

    `foreseen`: share of corrections whose branch was ready. `drafting`: share of the time that the device drafted.
    """

    cell: Cell
    policies: dict[PolicyName, float]
    best_fixed: float
    best_window: int
    branched: float
    foreseen: float
    drafting: float
    passes: float
    computed: float
    up_bytes: float


def measured(cell: Cell, traces: Sequence[Trace], manner: Manner, ride: float) -> Outcome:
    """Everything about one cell."""
    costs = cell.costs(ride)
    policies = {name: ratio(played(traces, costs, Strategy(name, branching=False), manner)) for name in POLICIES}
    fixed = {window: ratio(at_window(traces, costs, window, manner)) for window in WINDOWS}
    best = max(fixed, key=lambda window: fixed[window])
    branched = played(traces, costs, Strategy(), manner)
    tokens = sum(one.tokens for one in branched)
    return Outcome(
        cell,
        policies,
        fixed[best],
        best,
        ratio(branched),
        sum(one.foreseen for one in branched) / max(1, sum(one.corrections for one in branched)),
        sum(one.drafting for one in branched) / sum(one.seconds for one in branched),
        sum(one.steps for one in branched) / tokens,
        sum(one.computed for one in branched) / tokens,
        sum(one.up_bytes for one in branched) / tokens * 1024,
    )


def ratio(answers: Sequence[Replayed]) -> float:
    """How many times as fast as the target alone, all answers together."""
    return sum(one.alone for one in answers) / sum(one.seconds for one in answers)


def played(traces: Sequence[Trace], costs: Costs, strategy: Strategy, manner: Manner) -> list[Replayed]:
    """All answers one after the other; what is learned in one helps in the next, from nothing."""
    calibration = Calibration()
    return [VirtualDevice(trace, costs, control(strategy, manner, calibration), manner).run() for trace in traces]


def at_window(traces: Sequence[Trace], costs: Costs, window: int, manner: Manner) -> list[Replayed]:
    """The same with a window that never changes."""
    handing = Strategy().handing(manner.pace)
    return [
        VirtualDevice(trace, costs, Control(conversation(manner), Fixed(window), handing), manner).run()
        for trace in traces
    ]


def control(strategy: Strategy, manner: Manner, calibration: Calibration) -> Control:
    """What drives a device, as `device_client.client` makes it."""
    policy, handing = strategy.begin(manner.window), strategy.handing(manner.pace)
    return Control(conversation(manner), policy, handing, strategy.branching, calibration)


def conversation(manner: Manner) -> DeviceConversation:
    """A conversation that has not begun."""
    return DeviceConversation(manner.window, rest=REST if manner.pace is Pace.EAGER else 0, nodes=manner.nodes)
