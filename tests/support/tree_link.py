"""The hostile link once more, where the edge is told branches too, and steps look at any part of what they find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.hostile_link import END, Run, Step


@dataclass
class TreeRun(Run):
    """A run whose device grows branches by chance. `cuts`: whether steps look at a part of what they find."""

    cuts: bool = False

    def _friendly_events(self) -> list[Callable[[], None]]:
        events = super()._friendly_events()
        if self.connected and not self.device.resuming and self.device.path and len(self.device.branches) < 4:
            events.append(self.branch)
        return events

    def branch(self) -> None:
        """The device has drafted on a branch: a new one, or one that it has."""
        device, rng = self.device, self.rng
        at, other = rng.randrange(len(device.path)), 1 + rng.randrange(7)
        if rng.random() < 0.6:  # the likely correction, where the draft is wrong
            other = self.setting.target(device.committed + device.path[:at])
        if device.path[at] == other or END in (other, *device.path[:at]):
            return
        branch = device.branch(at, other)
        for _ in range(rng.randrange(4)):
            text = device.text_of(branch)
            token = self.setting.draft(text)
            if token == END or device.grow(text, token) is None:
                return
            self.count("grown")

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def send(self) -> None:
        super().send()
        self.count("a tree was said" if self.up[-1][0].parents else "a path was said")

    def begin_step(self) -> None:
        super().begin_step()
        assert self.step is not None
        pending = self.step.pending
        if self.cuts and pending.ids:
            chances = [0.5**depth * self.rng.uniform(0.6, 1.0) for depth in pending.tree.depths]
            self.step = Step(pending.best(self.rng.randint(0, len(pending.ids)), chances))

    def end_step(self) -> None:
        assert self.step is not None
        pending = self.step.pending
        super().end_step()
        places = pending.tree.path(self.edge.committed[pending.start :])
        if places != list(range(len(places))):
            self.count("a branch stood")
