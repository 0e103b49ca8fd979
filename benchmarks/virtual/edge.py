"""An edge on a virtual clock: the real conversation and cost rule, a target whose text is known, steps that take time.

Guarantees: it commits what the target says, in the steps in which the real engine would; software costs nothing but
what `message` charges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.virtual.clock import Clock
from edge_server.engine.cost import Experience, Load, StepTime, Survival, admit
from edge_server.engine.offers import TIMED_EVERY, timed
from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import Commit, Pace, Propose, Timings, Yield
from shared.speculation.pending import Pending, fate_of

_STEPS_FITTED = 200
_ANY_ID = 1 << 31


@dataclass(frozen=True)
class StepCurve:
    """`seconds[n - 1]`: of a step over n tokens; longer ones go on with the last slope."""

    seconds: tuple[float, ...]

    def of(self, tokens: int) -> float:
        """A step over `tokens` tokens."""
        known = len(self.seconds)
        if tokens <= known:
            return self.seconds[tokens - 1]
        slope = self.seconds[-1] - self.seconds[-2] if known > 1 else 0.0
        return self.seconds[-1] + (tokens - known) * slope

    def fitted(self) -> StepTime:
        """The engine's own estimate, once it has seen steps of every size."""
        fitted = StepTime()
        sizes = range(1, len(self.seconds) + 1)
        for number in range(_STEPS_FITTED):
            tokens = sizes[number % len(sizes)]
            fitted.saw(Load(tokens, 1, 0), self.of(tokens))
        return fitted


@dataclass(frozen=True)
class Manner:
    """How the edge works. `told`: it tells the device how many proposals it will look at. `timed_every`: commits.

    `turn`: steps' times after which it steps a device of pace auto that says nothing. `message`: seconds of a step that
    a word of the device costs. `bonus`: a step that takes all that was proposed adds a token of the target's own.
    `nodes`: ids of a tree, if the device tells its branches.
    """

    window: int = 16
    max_ahead: int = 64
    told: bool = True
    pace: Pace = Pace.EAGER
    turn: int = 8
    message: float = 0.0
    timed_every: int = TIMED_EVERY
    bonus: bool = True
    nodes: int = 0


class VirtualEdge:
    """One answer, `truth`; `say` takes each commit at the moment at which its step ends."""

    def __init__(
        self, clock: Clock, truth: Sequence[int], curve: StepCurve, manner: Manner, say: Callable[[Commit], None]
    ) -> None:
        self.steps = 0
        self.tokens = 0  # that the target computed
        self.fell = False  # a proposal, in the last step
        self._clock, self._truth, self._curve, self._manner, self._say = clock, list(truth), curve, manner, say
        self._conversation = EdgeConversation(Rules(max(manner.window, manner.nodes), manner.max_ahead, _ANY_ID))
        self._survival = Survival(Experience())
        self._time = curve.fitted()
        self._heard_at = 0.0
        self._owed = 0.0  # seconds for words that were heard
        self._stepping = True  # the prefill, until the first commit

    def begin(self, lead: float) -> None:
        """The prefill ends after `lead` seconds, with the first commit."""
        self._clock.at(lead, lambda: self._done(self._conversation.pending()))

    def hear(self, message: Propose | Yield) -> None:
        """A word of the device has arrived."""
        match message:
            case Propose():
                self._conversation.hear(message)
                self._heard_at = self._clock.now
            case Yield():
                self._conversation.yielded = message.on
        self._owed += self._manner.message
        self._step()

    @property
    def _left(self) -> int:
        return len(self._truth) - len(self._conversation.committed)

    def _step(self, *, in_turn: bool = False) -> None:
        """Begin a step if one may run."""
        conversation = self._conversation
        wanted = conversation.may_step(self._manner.pace) or (in_turn and conversation.has_room)
        if self._stepping or self._left <= 0 or not wanted:
            return
        self._stepping = True
        pending = conversation.pending()
        chances = self._survival.chances(pending.tree)
        most = admit([chances], Load(1, 1, 0), self._time)[0]
        pending = pending.best(most, chances)
        self.tokens += 1 + most
        seconds, self._owed, heard_at = self._curve.of(1 + most) + self._owed, 0.0, self._heard_at
        self._clock.after(seconds, lambda: self._done(pending, seconds, heard_at))

    def _done(self, pending: Pending, seconds: float = 0.0, heard_at: float = 0.0) -> None:
        fate = fate_of(pending.tree, self._truth[pending.start :])
        self._survival.learned(fate)
        path = pending.tree.path(self._truth[pending.start :])
        self.fell = bool(pending.tree.children(path[-1] if path else -1))
        timings = None
        if timed(self.steps, self._manner.timed_every):
            timings = Timings(round(1e6 * seconds), round(1e6 * (self._clock.now - heard_at)))
        own = self._manner.bonus or self.fell or not pending.ids
        ids = self._truth[pending.start : pending.start + fate.stood + own]
        commit = self._conversation.commit(pending, ids, timings, self._admitted())
        while self._conversation.overtaken:
            self._survival.learned(self._conversation.overtaken.popleft())
        self.steps += 1
        self._say(commit)
        self._stepping = False
        self._step()
        if not self._stepping and self._manner.pace is Pace.AUTO:
            number = self.steps
            wait = self._manner.turn * self._curve.of(1)
            self._clock.after(wait, lambda: self._step(in_turn=True) if number == self.steps else None)

    def _admitted(self) -> int | None:
        whole = self._survival.paths(min(self._manner.window, self._manner.max_ahead - 1))
        return admit([whole], Load(1, 1, 0), self._time)[0] if self._manner.told else None
