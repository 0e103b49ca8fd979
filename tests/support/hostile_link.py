"""Two pure conversations over a link that delays, stalls, merges, cuts and forgets, one random event at a time.

After every event the laws of the stream are asserted; a state without an enabled event before the end is a deadlock.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.speculation.device import DeviceConversation
from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import Commit, Pace, Propose
from shared.speculation.pending import Pending
from shared.speculation.tree import Tree

END = 0
Model = Callable[[Sequence[int]], int]


def hashed(salt: object, ids: Sequence[int], below: int) -> int:
    """A number below `below` that depends on the salt and on all ids."""
    return int.from_bytes(hashlib.blake2b(f"{salt}{tuple(ids)}".encode(), digest_size=8).digest(), "big") % below


@dataclass(frozen=True)
class Setting:
    """One run: the seed of target and events, the draft's agreement in percent, and the rules."""

    seed: int
    agreement: int
    window: int
    max_ahead: int
    pace: Pace
    hostility: float  # share of events that cut, or lose the edge
    length: int = 40
    admitted: tuple[int | None, ...] = (None,)  # what commits say of how many proposals a step will look at
    in_flight: int | None = None  # what the device believes to be in flight
    rest: int = 0  # steps without a path after a wrong one, while the edge looks at none
    turn: int = 8  # pace auto: how often time passes by before a step comes all the same
    nodes: int = 0  # ids of a tree, if the device tells its branches

    def target(self, ids: Sequence[int]) -> int:
        ends = len(ids) >= self.length - 1 or (len(ids) > 3 and hashed(("end", self.seed), ids, self.length) == 0)
        return END if ends else 1 + hashed(("target", self.seed), ids, 7)

    def draft(self, ids: Sequence[int]) -> int:
        agrees = hashed(("agree", self.seed), ids, 100) < self.agreement
        return self.target(ids) if agrees else 1 + hashed(("draft", self.seed), ids, 7)

    def truth(self) -> list[int]:
        ids: list[int] = []
        while not ids or ids[-1] != END:
            ids.append(self.target(ids))
        return ids


@dataclass
class Step:
    """A target step that has begun."""

    pending: Pending


@dataclass
class Draft:
    """A draft forward that has begun."""

    text: list[int]
    version: int


@dataclass
class Run:
    """The state of one run, and its events."""

    setting: Setting
    rng: random.Random = field(init=False)
    up: list[tuple[Propose, Tree]] = field(default_factory=list)  # with what the device then held beyond its text
    down: list[Commit] = field(default_factory=list)
    passed_by: int = 0
    connected: bool = True
    step: Step | None = None
    forward: Draft | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.setting.seed)
        self.edge = self._new_edge(())
        self.device = DeviceConversation(self.setting.window, rest=self.setting.rest, nodes=self.setting.nodes)
        self.heard_tree: Tree | None = None
        self.expected = self.setting.truth()

    def _new_edge(self, committed: Sequence[int]) -> EdgeConversation:
        window = max(self.setting.window, self.setting.nodes)
        return EdgeConversation(Rules(window, self.setting.max_ahead, 8), committed)

    def finish(self, most_events: int = 20_000) -> None:
        """Run to the end; the hostile events stop half way, so that an end must come."""
        for event in range(most_events):
            if self.device.committed and self.device.committed[-1] == END:
                assert self.device.committed == self.expected
                return
            friendly = self._friendly_events()
            hostile = [self.cut, self.lose] if event < most_events // 2 else []
            if hostile and self.rng.random() < self.setting.hostility:
                happening = self.rng.choice(hostile)
            else:
                assert friendly, f"deadlock: {self.setting}, {self.edge.__dict__}, {self.device.__dict__}"
                happening = self.rng.choice(friendly)
            self.counts[happening.__name__] = self.counts.get(happening.__name__, 0) + 1
            happening()
            self.check()
        raise AssertionError(f"no end in sight: {self.setting}")

    def _friendly_events(self) -> list[Callable[[], None]]:
        device, text = self.device, self.device.committed + self.device.path
        drafting = device.wanted(self.setting.in_flight) > 0 and END not in device.path and self.connected
        ended = bool(self.edge.committed) and self.edge.committed[-1] == END
        able = not ended and self.connected and self.step is None
        idle = able and self.setting.pace is Pace.AUTO and self.edge.has_room
        stepping = (able and self.edge.may_step(self.setting.pace)) or (idle and self.passed_by >= self.setting.turn)
        enabled: list[tuple[bool, Callable[[], None]]] = [
            (not self.connected and self.step is None, self.resume),
            (bool(self.up), self.deliver_up),
            (bool(self.down), self.deliver_down),
            (len(self.down) > 1, self.merge),
            (stepping, self.begin_step),
            (idle and not stepping, self.pass_by),
            (self.step is not None, self.end_step),
            (self.forward is None and drafting and len(text) < 200, self.begin_draft),
            (self.forward is not None, self.end_draft),
            (self.connected and not self.told, self.send),
        ]
        return [event for is_enabled, event in enabled if is_enabled]

    @property
    def told(self) -> bool:
        """Whether the device has nothing to say, or may not yet."""
        return self.device.resuming or (len(self.device.committed) == self.device._told and self.device.untold == 0)

    def deliver_up(self) -> None:
        propose, tree = self.up.pop(0)
        self.edge.hear(propose)
        self.heard_tree = tree

    def deliver_down(self) -> None:
        commits = [self.down.pop(0)]
        while self.down and self.rng.random() < 0.5:  # the device takes all that wait
            commits.append(self.down.pop(0))
        for commit in commits:
            self.take(commit)

    def take(self, commit: Commit) -> None:
        """The device takes a commit."""
        self.device.hear(commit)

    def committed(self, commit: Commit) -> Commit:
        """The commit of a step as it is said."""
        return commit

    def merge(self) -> None:
        self.down[0:2] = [self.down[0].merged(self.down[1])]

    def pass_by(self) -> None:
        """A step of others, or the time of one."""
        self.passed_by += 1

    def begin_step(self) -> None:
        self.passed_by = 0
        self.step = Step(self.edge.pending())

    def end_step(self) -> None:
        assert self.step is not None
        text, pending = list(self.edge.committed), self.step.pending
        place: int | None = -1
        while place is not None:
            text.append(self.setting.target(text))
            place = None if text[-1] == END else pending.tree.child(place, text[-1])
        commit = self.edge.commit(pending, text[pending.start :], admitted=self.rng.choice(self.setting.admitted))
        self.step = None
        if self.connected:
            self.down.append(self.committed(commit))

    def begin_draft(self) -> None:
        self.forward = Draft(self.device.committed + self.device.path, self.device.version)

    def end_draft(self) -> None:
        assert self.forward is not None
        if self.device.room > 0 and self.device.draft(self.setting.draft(self.forward.text), self.forward.version):
            assert self.device.committed + self.device.path[:-1] == self.forward.text
        self.forward = None

    def send(self) -> None:
        propose = self.device.outgoing()
        assert propose is not None
        if self.setting.nodes:
            assert len(self.device.told.tree.path(self.device.path)) == len(self.device.path)
        self.up.append((propose, self.device.told.tree if self.setting.nodes else Tree.chain(self.device.path)))

    def cut(self) -> None:
        self.up.clear()
        self.down.clear()
        self.connected = False

    def lose(self) -> None:
        """The edge and all it knew are gone; another one is opened with what the device holds."""
        self.cut()
        self.step = None
        self.edge = self._new_edge(self.device.committed)
        self.heard_tree = None

    def resume(self) -> None:
        self.down.append(self.edge.resume(len(self.device.committed)))
        self.device.reconnect()
        self.heard_tree = None
        self.connected = True

    def check(self) -> None:
        committed, setting = self.edge.committed, self.setting
        assert committed == self.expected[: len(committed)]
        assert self.device.committed == committed[: len(self.device.committed)]
        assert len(self.device.path) <= setting.window
        assert len(self.edge.mirror) - self.edge._seen <= max(self.edge._rules.window, setting.max_ahead)
        assert len(committed) - self.edge._seen <= setting.max_ahead
        if self.heard_tree is not None:
            assert self.edge.tree == self.heard_tree
            ahead = committed[self.edge._seen :]
            ways = list(self.heard_tree.paths()) or [[]]
            assert self.edge.live == any(way[: len(ahead)] == ahead[: len(way)] for way in ways)
