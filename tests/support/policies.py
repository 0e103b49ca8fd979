"""A run over the hostile link whose device is driven by a policy, as the real one is: it moves when something happened.

Time passes by chance, so that every measured time is wild; who waits is not asked again before a word came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from device_client.draft.control import Control, Forward
from device_client.draft.policy import Handing, Lesson, Move, Policy, View
from shared.speculation.coupled import Choice
from shared.speculation.device import DeviceConversation
from shared.speculation.marks import Mark
from shared.speculation.messages import Commit, Pace, Timings, Yield
from tests.support.hostile_link import END, Run, hashed


@dataclass
class Whim:
    """A policy that says anything at any time, moves that cannot be made included."""

    draw: Callable[[list[Move]], Move]

    def propose(self, view: View) -> Move:
        return self.draw(list(Move))

    def learn(self, lesson: Lesson) -> None:
        assert lesson.stood <= len(lesson.decided) <= lesson.stood + 1


@dataclass
class PolicyRun(Run):
    """As Run; `policy` decides what the device does next."""

    policy: Callable[[], Policy] | None = None  # None: a whim
    lockstep: bool = False
    branching: bool = True
    now: float = 0.0
    awake: bool = True
    says_yield: bool = False
    mailbox: list[tuple[int, Yield]] = field(default_factory=list)  # what follows after so many proposes of `up`
    running: Forward | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        waits = self.setting.pace is not Pace.EAGER
        handing = Handing.LOCKSTEP if self.lockstep else Handing.HOLD if waits else Handing.STREAM
        policy = self.policy() if self.policy is not None else Whim(self.rng.choice)
        self.control = Control(
            DeviceConversation(self.setting.window, rest=self.setting.rest, nodes=self.setting.nodes),
            policy,
            handing,
            self.branching,
        )
        self.device = self.control.conversation

    def check(self) -> None:
        super().check()
        self.now += self.rng.expovariate(20)
        assert len(self.control._choices) == len(self.control._chances) == len(self.device.path)
        assert [choice.token for choice in self.control._choices] == self.device.path
        for limb in self.control._limbs:
            assert [choice.token for choice in limb.choices] == limb.branch.ids
            assert len(limb.branch.ids) <= self.device.deepest(limb.branch.at)
        assert [limb.branch for limb in self.control._limbs] == self.device.branches

    def _friendly_events(self) -> list[Callable[[], None]]:
        mine = (self.begin_draft, self.end_draft, self.send)
        events = [event for event in super()._friendly_events() if event not in mine]
        if self.mailbox and self.mailbox[0][0] == 0:
            events = [event for event in events if event != self.deliver_up] + [self.deliver_yield]
        if self.running is not None:
            events.append(self.end_forward)
        elif self.awake:
            events.append(self.act)
        return events

    @property
    def mute(self) -> bool:
        return not self.connected or self.device.resuming

    def act(self) -> None:
        """One turn of the device's loop."""
        limit = 0 if END in self.device.path else 200 - len(self.device.committed)
        move = self.control.move(limit, self.now, mute=self.mute)
        if not self.mute:
            self.say_yield(on=move is Move.QUIET and self.control.handing is not Handing.STREAM)
        match move:
            case Move.DRAFT:
                assert self.control.forward().texts
                self.running, self.begun = self.control.forward(), self.now
            case Move.SEND:
                assert self.device.untold > 0
                self.control.said(self.now)
                self.tell()
            case _:
                self.awake = False

    def tell(self) -> None:
        if not self.mute and not self.told:
            self.control.flight.proposed(self.now)
            self.send()

    def say_yield(self, *, on: bool) -> None:
        if on != self.says_yield:
            self.says_yield = on
            behind = len(self.up) - sum(count for count, _ in self.mailbox)
            self.mailbox.append((behind, Yield(on)))

    def end_forward(self) -> None:
        assert self.running is not None
        drawn: list[tuple[Choice, Mark | None]] = []
        for text in self.running.texts:
            sure = hashed(("sure", self.setting.seed), text, 100) / 10
            token, target = self.setting.draft(text), self.setting.target(text)
            foresees = target != token and hashed(("second", self.setting.seed), text, 2) == 0
            second = target if foresees else 1 + token % 7
            drawn.append((Choice(token, second, sure, 1 / (1 + sure), sure / 10), None))
        self.control.drafted(self.running, drawn, self.begun, self.now)
        self.running = None

    def deliver_up(self) -> None:
        super().deliver_up()
        if self.mailbox:
            self.mailbox[0] = (self.mailbox[0][0] - 1, self.mailbox[0][1])

    def deliver_yield(self) -> None:
        _, said = self.mailbox.pop(0)
        self.edge.yielded = said.on

    def take(self, commit: Commit) -> None:
        self.control.flight.committed(commit, self.now)
        taken = self.control.heard(commit, self.now)
        self.counts["foreseen"] = self.counts.get("foreseen", 0) + taken.foreseen
        self.awake = True
        if 2 * (len(self.device.committed) - self.device._told) >= self.setting.max_ahead:
            self.tell()

    def committed(self, commit: Commit) -> Commit:
        times = (round(1e6 * self.rng.expovariate(10)) for _ in range(2))
        return replace(commit, timings=Timings(*times)) if self.rng.random() < 0.25 else commit

    def cut(self) -> None:
        super().cut()
        self.mailbox.clear()

    def resume(self) -> None:
        super().resume()
        self.control.flight.new_stream()
        if self.says_yield:  # the edge has forgotten it
            self.mailbox.append((0, Yield(on=True)))
        self.awake = True
