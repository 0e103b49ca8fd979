"""The device's side of the conversation: what it was told, its own path beyond that, and what of it was sent.

Guarantees: `committed` only ever grows by what the edge said; the path agrees with it; at most `window` ids are held
beyond it. It does not know models, threads or the wire.

    [0, seen)  committed     [seen, seen + sent)  path, sent     [seen + sent, seen + len(path))  path, not sent

The path is the trunk of a tree: a branch is what the device would go on with, should the text stray from the path at
one place by one token. The edge hears nothing of branches; when a commit strays as one foresaw, its rest is the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.errors import OutOfStep
from shared.speculation.messages import Commit, Propose, agreement


def reach(window: int, admitted: int | None, in_flight: int | None) -> int:
    """How long a path is worth drafting, from 1 to `window`.

    When the path arrives, the edge has committed `in_flight` tokens of it and a step runs, which may commit `admitted`
    more and its own; the step after that looks at `admitted`, at one at least, so that a look at one finds one. Without
    a limit (admitted is None), or before anything was measured (in_flight is None), the window, unless none is looked
    at.
    """
    if admitted is None or (in_flight is None and admitted > 0):
        return window
    return min(window, (in_flight or 0) + (admitted + 1) + max(1, admitted))


REST = 16  # steps: what is heard costs the edge about a hundredth of a short step, and of these none


@dataclass(eq=False)
class Branch:
    """Strays from the path at its place `at` (0: the first) by the token `other`, and goes on with `ids`."""

    at: int
    other: int
    ids: list[int] = field(default_factory=list)


class DeviceConversation:
    """One answer as the device sees it.

    `version` changes whenever the path is dropped: a forward begun under an older version drafts for a dead path.
    `admitted`: how many proposals the edge last said a step will look at; None: no limit beside the window.
    `rest`: steps without a path after a wrong one if the edge looks at none; 0 where steps wait for proposals.
    """

    def __init__(self, window: int, committed: Sequence[int] = (), rest: int = 0) -> None:
        self.committed = list(committed)
        self.path: list[int] = []
        self.branches: list[Branch] = []
        self.version = 0
        self.admitted: int | None = None
        self.window = window
        self._rest = rest
        self._rested = rest
        self._sent = 0
        self._told = len(self.committed)

    @property
    def room(self) -> int:
        """How many ids more may be drafted now."""
        return self.window - len(self.path)

    @property
    def sent(self) -> int:
        """How many ids of the path the edge was told and has not decided."""
        return self._sent

    @property
    def unsent(self) -> int:
        """How many ids at the end of the path the edge has not been told."""
        return len(self.path) - self._sent

    def wanted(self, in_flight: int | None) -> int:
        """How many ids more are worth drafting now, if the edge commits so many while a word travels both ways.

        None while it rests: the edge looks at none, and the last path was wrong not long ago.
        """
        if self.admitted == 0 and not self.path and self._rested < self._rest:
            return 0
        return reach(self.window, self.admitted, in_flight) - len(self.path)

    def hear(self, commit: Commit) -> int:
        """Take a commit. How many ids of path and branches have no place in the text now, and are thrown away.

        Raises OutOfStep if the commit does not follow what was committed before.
        """
        if commit.start != len(self.committed):
            raise OutOfStep(f"commit.start is {commit.start}: the device holds {len(self.committed)} committed tokens")
        count, agreeing = len(commit.ids), agreement(self.path, commit.ids)
        self.committed.extend(commit.ids)
        self.admitted = commit.admitted
        self._rested += len(commit.accepted)
        held = len(self.path) + sum(len(branch.ids) for branch in self.branches)
        if agreeing == count:
            self.path = self.path[count:]
            self._sent = max(0, self._sent - count)
            for branch in self.branches:
                branch.at -= count
            self.branches = [branch for branch in self.branches if branch.at >= 0]
            used = count
        else:
            if self.path:
                self._rested = 0
            foreseen = self.foreseen(commit.ids)
            behind = count - agreeing - 1  # ids of the commit behind the one that strays
            self.path = foreseen.ids[behind:] if foreseen is not None else []
            used = agreeing + (behind if foreseen is not None else 0)
            self.branches = []
            self._sent = 0
            self.version += 1
        return held - used - len(self.path) - sum(len(branch.ids) for branch in self.branches)

    def foreseen(self, ids: Sequence[int]) -> Branch | None:
        """The branch that strays as `ids` stray from the path, if there is one that goes on beyond them."""
        strays = agreement(self.path, ids)
        for branch in self.branches:
            if branch.at == strays < len(ids) and branch.other == ids[strays]:
                behind = ids[strays + 1 :]
                if len(branch.ids) > len(behind) and branch.ids[: len(behind)] == list(behind):
                    return branch
        return None

    def branch(self, at: int, other: int) -> Branch:
        """A branch that strays at this place of the path by this token; the same one if it is there already."""
        if not 0 <= at < len(self.path) or self.path[at] == other:
            raise ValueError(f"{other} at {at} does not stray from a path of {len(self.path)} tokens")
        for branch in self.branches:
            if (branch.at, branch.other) == (at, other):
                return branch
        self.branches.append(Branch(at, other))
        return self.branches[-1]

    def text_of(self, branch: Branch) -> list[int]:
        """All output tokens of a branch, the committed ones included."""
        return [*self.committed, *self.path[: branch.at], branch.other, *branch.ids]

    def grow(self, text: Sequence[int], token: int) -> Branch | None:
        """Put `token` at the end of the branch whose text is `text`. None if there is none, or if it is full."""
        for branch in self.branches:
            length = len(self.committed) + branch.at + 1 + len(branch.ids)
            if length == len(text) and self.window > branch.at + 1 + len(branch.ids) and self.text_of(branch) == text:
                branch.ids.append(token)
                return branch
        return None

    def draft(self, token: int, version: int) -> bool:
        """Put `token` at the end of the path, unless the path it was drafted for is gone. Says whether it did."""
        if version != self.version:
            return False
        if self.room <= 0:
            raise ValueError(f"the window of {self.window} is full")
        self.path.append(token)
        return True

    def outgoing(self) -> Propose | None:
        """What the edge should hear now: unsent ids, else an acknowledgement, else nothing. Counts as sent."""
        seen = len(self.committed)
        if self._sent == len(self.path) and seen == self._told:
            return None
        propose = Propose(seen, seen + self._sent, tuple(self.path[self._sent :]))
        self._sent = len(self.path)
        self._told = seen
        return propose

    def reconnect(self) -> None:
        """A new stream begins: nothing of the path has been sent on it, and the edge knows what is committed."""
        self._sent = 0
        self._told = len(self.committed)
