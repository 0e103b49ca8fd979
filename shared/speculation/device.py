"""The device's side of the conversation: what it was told, its own path beyond that, and what of it was sent.

Guarantees: `committed` only ever grows by what the edge said; the path agrees with it; at most `window` ids are held
beyond it. It does not know models, threads or the wire.

    [0, seen)  committed     [seen, seen + sent)  path, sent     [seen + sent, seen + len(path))  path, not sent
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import OutOfStep
from shared.speculation.branches import Branch, followed, held, moved_up
from shared.speculation.claims import marked
from shared.speculation.laws import DraftLaw
from shared.speculation.marks import CORRECTION, Mark
from shared.speculation.messages import COUPLED, Commit, Judging, Propose, Rule, agreement
from shared.speculation.reach import reach
from shared.speculation.told import Told
from shared.speculation.tree import Tree

MOST_ROW_BYTES = 2**21  # of a message


class DeviceConversation:
    """One answer as the device sees it.

    `version` changes whenever the path is dropped: a forward begun under an older version drafts for a dead path.
    `admitted`: how many proposals the edge last said a step will look at; None: no limit beside the window. `refused`:
    a proposal was rejected and the edge waits for the correction: the law that the proposal was drawn from.
    `judging`: how the edge judges. `rest`: steps without a path after a wrong one if the edge looks at none; 0 where
    steps wait for proposals. `nodes`: the branches are told too, as far as the edge then holds at most so many ids; 0:
    it hears of the path alone.
    """

    def __init__(
        self, window: int, committed: Sequence[int] = (), rest: int = 0, judging: Judging = COUPLED, nodes: int = 0
    ) -> None:
        if nodes and (nodes <= window or not judging.plain):
            raise ValueError(f"a tree of {nodes} ids needs more than the window of {window}, and ids that are compared")
        self.committed = list(committed)
        self.path: list[int] = []
        self.branches: list[Branch] = []
        self.version = 0
        self.admitted: int | None = None
        self.refused: DraftLaw | None = None
        self._marks: list[Mark] = []  # one for each of the path, none in a plain session
        self._closed = self._told_closed = False  # nothing is drafted behind the path until it is judged
        self._asked = False  # for the whole row, to draw the correction from
        self._judging = judging
        self.window = window
        self._rest = rest
        self._rested = rest
        self._resuming = False  # nothing is said before the edge has said what stands
        self._sent = 0
        self._told = len(self.committed)
        self.told = Told(nodes, len(self.committed))

    @property
    def room(self) -> int:
        """How many ids more may be drafted now."""
        return self.window - len(self.path)

    @property
    def sent(self) -> int:
        """How many ids of the path the edge was told and has not decided."""
        return self._sent

    @property
    def blocked(self) -> bool:
        """Whether nothing may be drafted yet, by the rule rejection: the first token is the target's own, and what is
        to be corrected comes before anything else.
        """
        return self.refused is not None or (self._judging.rule is Rule.REJECTION and not self.committed)

    @property
    def resuming(self) -> bool:
        """Whether the edge has yet to say what it committed before the stream that has begun: until then its text may
        be ahead of what a proposal would be put behind.
        """
        return self._resuming

    @property
    def unsent(self) -> int:
        """How many ids at the end of the path the edge has not been told."""
        return len(self.path) - self._sent

    def wanted(self, in_flight: int | None) -> int:
        """How many ids more are worth drafting now, if the edge commits so many while a word travels both ways.

        None while it rests: the edge looks at none, and the last path was wrong not long ago.
        """
        if self.blocked or self._closed:
            return 0
        if self.admitted == 0 and not self.path and self._rested < self._rest:
            return 0
        return reach(self.window, self.admitted, in_flight) - len(self.path)

    def hear(self, commit: Commit) -> int:
        """Take a commit. How many ids of path and branches have no place in the text now, and are thrown away.

        If it strays from the path as a branch does, what the branch holds beyond it is the path.

        Raises OutOfStep if the commit does not follow what was committed before.
        """
        if commit.start != len(self.committed):
            raise OutOfStep(f"commit.start is {commit.start}: the device holds {len(self.committed)} committed tokens")
        self._resuming = False
        count, agreeing = len(commit.ids), agreement(self.path, commit.ids)
        self.committed.extend(commit.ids)
        self.admitted = commit.admitted
        self._rested += len(commit.accepted)
        if agreeing < count:
            if self.path:
                self._rested = 0
            self.told.strayed(self.committed, agreeing, count)
            branch, behind = self.foreseen(commit.ids), count - agreeing - 1
            dropped = self._drop() - agreeing
            if branch is not None:
                self.path, self._marks = branch.ids[behind:], branch.marks[behind:]
                dropped -= len(branch.ids)
                self._sent = len(self.told.left(self.committed).path(self.path))
            return dropped
        self.path = self.path[count:]
        self._marks = self._marks[count:]
        self._sent = max(0, self._sent - count)
        self._closed = self._closed and bool(self.path)
        branched = held(self.branches)
        self.branches = moved_up(self.branches, count, self._places)
        branched -= held(self.branches)
        return branched + (0 if commit.residual is None else self._refuse())

    def foreseen(self, ids: Sequence[int]) -> Branch | None:
        """The branch whose rest will be the path when `ids` are committed; None if the text goes no branch's way."""
        return followed(self.branches, self.path, ids)

    @property
    def closed(self) -> bool:
        """Whether the path is a block: nothing is drafted on it, and a token of the target's own comes behind it."""
        return self._closed

    @property
    def _places(self) -> int:
        """Where the text may leave the path: at each of its ids, and behind a closed block."""
        return len(self.path) + self._closed

    def branch(self, at: int, other: int) -> Branch:
        """A branch that leaves the path at this place by this token; the same one if it is there already."""
        if not 0 <= at < self._places or self.path[at : at + 1] == [other]:
            raise ValueError(f"{other} at {at} does not leave a path of {len(self.path)} tokens")
        for branch in self.branches:
            if (branch.at, branch.other) == (at, other):
                return branch
        self.branches.append(Branch(at, other))
        return self.branches[-1]

    def deepest(self, at: int) -> int:
        """How many ids a branch that leaves the path there may hold. What is told with the path counts with it."""
        return self.window - 1 - (at if self.told.nodes else 0)

    def text_of(self, branch: Branch) -> list[int]:
        """All output tokens of a branch, the committed ones included."""
        return [*self.committed, *self.path[: branch.at], branch.other, *branch.ids]

    def grow(self, text: Sequence[int], token: int, mark: Mark | None = None) -> Branch | None:
        """Put `token` at the end of the branch whose text is `text`. None if there is none, or if it is full.

        `mark`: as `draft` has it.
        """
        for branch in self.branches:
            if len(self.committed) + branch.length == len(text) and self.text_of(branch) == text:
                if len(branch.ids) >= self.deepest(branch.at):
                    return None
                branch.ids.append(token)
                branch.marks += [] if mark is None else [mark]
                return branch
        return None

    @property
    def compared(self) -> int:
        """How many ids of the path are not given."""
        return len(self.path) - sum(mark.claim.given for mark in self._marks)

    @property
    def corrects(self) -> bool:
        """Whether the path begins with a correction."""
        return bool(self._marks) and self._marks[0] is CORRECTION

    def correct(self, token: int) -> Branch | None:
        """What takes the place of the proposal that was refused: the path begins with it.

        It goes on with what was drafted on a branch by this token, if there is one: that branch.
        """
        if self.refused is None:
            raise ValueError("nothing was refused")
        branch = next((each for each in self.branches if each.other == token and each.ids), None)
        self.refused, self._asked, self.branches = None, False, []
        self.path, self._marks = [token], [CORRECTION]
        if branch is not None:
            self.path += branch.ids
            self._marks += branch.marks
        return branch

    def close(self) -> None:
        """Draft nothing behind the path until it is judged, and have the edge add a token of the target's own."""
        self._closed = bool(self.path)

    def draft(self, token: int, version: int, mark: Mark | None = None) -> bool:
        """Put `token` at the end of the path, unless the path it was drafted for is gone. Says whether it did.

        `mark`: for every token of a session that is not plain.
        """
        if version != self.version:
            return False
        if self.room <= 0:
            raise ValueError(f"the window of {self.window} is full")
        self.path.append(token)
        if mark is not None:
            self._marks.append(mark)
        return True

    def outgoing(self) -> Propose | None:
        """What the edge should hear now: unsent ids, else an acknowledgement, else nothing. Counts as sent."""
        if self._resuming:
            return None
        if self.told.nodes:
            self._sent, self._told = len(self.path), len(self.committed)
            return self.told.say(self.committed, self._wanted, self.path)
        seen = len(self.committed)
        silent = self._sent == len(self.path) and seen == self._told and self._closed == self._told_closed
        if silent and (self.refused is None or self._asked):
            return None
        end = self._end()
        closed = self._closed and end == len(self.path)
        propose = Propose(seen, seen + self._sent, tuple(self.path[self._sent : end]), closed=closed)
        if self._marks:
            propose = marked(propose, [mark.claim for mark in self._marks[self._sent : end]])
        self._sent = end
        self._told, self._told_closed, self._asked = seen, closed, self.refused is not None
        return propose

    @property
    def untold(self) -> int:
        """How many ids of path and branches the edge is to hear."""
        return len(self._wanted) - len(self.told.left(self.committed)) if self.told.nodes else self.unsent

    @property
    def _wanted(self) -> Tree:
        return self.told.wanted(self.committed, self.path, self.branches, self.room)

    def _end(self) -> int:
        """Up to which id of the path one message may go: whole rows are large, and messages are not."""
        for place, mark in enumerate(self._marks[self._sent + 1 :], start=self._sent + 1):
            if isinstance(mark.claim.law, bytes) and (place + 1 - self._sent) * len(mark.claim.law) > MOST_ROW_BYTES:
                return place
        return len(self.path)

    def reconnect(self) -> None:
        """The edge is asked to resume on a new stream: it hears nothing of the path before it has said what stands."""
        self._resuming = True
        self._forget()

    def reopen(self) -> None:
        """The answer is opened at an edge that does not know it: what was drawn for the one before is for nobody."""
        if self._marks or self.refused is not None:
            self._drop()
        self._resuming, self.refused = False, None
        self._forget()

    def _forget(self) -> None:
        """A new stream has carried nothing of the path, and the edge knows what is committed."""
        self._sent = 0
        self.told.forget(len(self.committed))
        self._told, self._told_closed, self._asked = len(self.committed), False, False

    def _drop(self) -> int:
        """Throw path and branches away; how many drafted ids they had."""
        dropped = len(self.path) + held(self.branches)
        self.path, self._marks, self.branches = [], [], []
        self._sent = 0
        self._closed = False
        self.version += 1
        return dropped

    def _refuse(self) -> int:
        """The first of the path was rejected; how many ids are thrown away. A correction that was drawn stands.

        Branches that leave the path there wait for the correction.
        """
        if self.refused is not None or self.corrects:
            return 0
        if not self._marks or self._marks[0].law is None:
            raise OutOfStep("commit.residual is set: no proposal of this device was drawn there")
        self.refused = self._marks[0].law
        waiting = [branch for branch in self.branches if branch.at == 0]
        dropped = self._drop()
        self.branches = waiting
        return dropped - held(waiting)
