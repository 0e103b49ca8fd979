"""The edge's side of the conversation: what is committed, what the device holds beyond it, and what a step may verify.

Guarantees: nothing is pending unless the device's path agrees with the committed text; a step never runs further than
`max_ahead` past what the device has acknowledged. It does not know models, threads or the wire.

    [0, seen)  committed and acknowledged     [seen, len(committed))  committed, on its way to the device
    behind seen  the mirror: the device's own ids as last heard, a path, or a tree of them
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from shared.errors import InvalidValue, OutOfStep, Unsupported
from shared.speculation.claims import claims_of, refuse_marks
from shared.speculation.messages import COUPLED, Claim, Commit, Judging, Pace, Propose, Rule, Timings
from shared.speculation.pending import Fate, Pending, fate_of
from shared.speculation.residual import Rejected
from shared.speculation.tree import Tree


@dataclass(frozen=True, slots=True)
class Rules:
    """What an edge allows one device: tokens held beyond `seen`, tokens committed beyond `seen`, and ids.

    `rows`: width of the target's logit row. `placeholder_ids` stand for pictures; as a proposal one would break the
    forward of everybody in the step. `judging`: how the device's proposals are judged.
    """

    window: int
    max_ahead: int
    rows: int
    placeholder_ids: Collection[int] = ()
    judging: Judging = COUPLED


_FATES = 64  # kept until somebody asks: a device that talks a lot does not fill the memory


class EdgeConversation:
    """One answer as the edge sees it. The only writer of the committed text is `commit`.

    `overtaken`: the fates of proposals that no step has verified, known because the text has got there without them.
    """

    def __init__(self, rules: Rules, committed: Sequence[int] = ()) -> None:
        self.committed = list(committed)
        self.heard = 0
        self.yielded = False
        self._rules = rules
        self._seen = len(self.committed)
        self._tree = Tree.EMPTY  # of what the device holds behind `seen`
        self.overtaken: deque[Fate] = deque(maxlen=_FATES)
        self._judged = self._seen  # proposals before this position have had their fate told
        self._opened_with = len(self.committed)
        self._log_probabilities: list[float] = []  # of the ids committed since then, if they are told
        self._claims: list[Claim] = []  # one for each of the tree, which is a path then; none in a plain session
        self._closed = False  # the path's end is the end of a block
        self._rejected: Rejected | None = None  # until a correction of it is committed
        self._waits = False  # for that correction
        self._told_all = False  # of that rejection
        self._unverified: list[int] = []  # positions that were taken without comparing

    def hear(self, propose: Propose) -> Commit | None:
        """Take a proposal or an acknowledgement. Raises InvalidValue, OutOfStep, Unsupported; nothing changes then.

        The answer, if one is due at once: a device that cannot draw a correction from a part of a row gets all of it.
        """
        self._check(propose)
        correcting = self._waits and propose.base == propose.seen == len(self.committed)
        claims = self._claimed(propose, correcting=correcting)
        acknowledged = propose.seen - self._seen
        left = self._tree.below(self.committed[self._seen : propose.seen])
        if propose.base == propose.seen and (acknowledged > 0 or not self._tree or correcting):
            self._tree, self._claims = self._grown(Tree.EMPTY, propose), list(claims)
            self._judged = propose.seen
        elif propose.base == propose.seen + len(left):
            self._tree = self._grown(left, propose)
            self._claims = (self._claims[acknowledged:] if left else []) + list(claims)
        else:
            ends = propose.seen + len(left)
            raise OutOfStep(f"propose.base is {propose.base}: the path before it ends at {ends}")
        if propose.ids and correcting:
            self._waits = False
        self._closed = propose.closed or (self._closed and not propose.ids)
        self._seen = propose.seen
        self.heard += 1
        if self._rejected is None or not (correcting and self._waits):
            self._judge()
            return None
        self._told_all = True
        return Commit(len(self.committed), (), heard=self.heard, residual=self._rejected.whole_row())

    @property
    def judging(self) -> Judging:
        """How the device's proposals are judged."""
        return self._rules.judging

    @property
    def mirror(self) -> list[int]:
        """The device's text as last heard: what it had committed, and its own path; of a tree all ids, as they came."""
        return [*self.committed[: self._seen], *self._tree.ids]

    @property
    def tree(self) -> Tree:
        """The device's own ids as last heard."""
        return self._tree

    @property
    def live(self) -> bool:
        """Whether the committed text goes a way of the mirror, as far as both go."""
        ahead = self.committed[self._seen :]
        path = self._tree.path(ahead)
        return len(path) == len(ahead) or not self._tree.children(path[-1] if path else -1)

    def pending(self) -> Pending:
        """What a step that begins now may verify."""
        room = self._rules.max_ahead - self._ahead
        own = self.judging.rule is Rule.COUPLED  # each step adds a token of its own
        whole = self._proposals()
        tree = whole.shallow(max(0, room - own))
        parents = () if tree.is_chain else tree.parents
        if not tree or self.judging.plain:
            return Pending(len(self.committed), tree.ids, self.heard, parents=parents)
        claims = tuple(self._claims[self._ahead :][: len(tree)])
        closed = self._closed and len(tree) == len(whole) < room
        return Pending(len(self.committed), tree.ids, self.heard, claims, closed)

    @property
    def has_room(self) -> bool:
        """Whether a step may commit more than the device has acknowledged."""
        return self._ahead < self._rules.max_ahead

    def may_step(self, pace: Pace) -> bool:
        """Whether a target step is wanted now. At pace auto more steps may come, in their turn."""
        if not self.has_room or self._waits:
            return False
        return pace is Pace.EAGER or self.yielded or bool(self._proposals())

    def commit(
        self,
        verified: Pending,
        ids: Sequence[int],
        timings: Timings | None = None,
        admitted: int | None = None,
        log_probabilities: Sequence[float] = (),
    ) -> Commit:
        """Add what a step on `verified` brought: a prefix of its ids and at most one more.

        `admitted`: how many proposals a step will look at, for the device to know; None: no limit beside the window.
        `log_probabilities`: one for each id in every commit of an answer, or none in any.
        """
        if verified.start != len(self.committed):
            raise ValueError(f"a step from {verified.start} cannot commit after {len(self.committed)} tokens")
        fate = fate_of(verified.tree, ids)
        accepted, known = fate.stood, fate.known if verified.parents else len(verified.ids)
        self.committed.extend(ids)
        self._rejected = None
        self._judged = max(self._judged, verified.start + known)  # whoever verified them knows
        self._judge()
        told = tuple(log_probabilities)
        self._log_probabilities.extend(told)
        lossy = [at for at, claim in enumerate(verified.claims[:accepted]) if claim.given and not claim.corrects]
        self._unverified += [verified.start + at for at in lossy]
        return Commit(
            verified.start, tuple(ids), (accepted,), verified.heard, admitted, timings, told, lossy=len(lossy)
        )

    def reject(self, commit: Commit, rejected: Rejected) -> Commit:
        """The step of `commit` has rejected the proposal behind its ids: wait for the device's correction."""
        self._rejected, self._waits, self._told_all = rejected, True, False
        return replace(commit, residual=rejected.row())

    def resume(self, seen: int) -> Commit:
        """A new stream of a device that has `seen` tokens: both ends hold the committed text, nothing is in flight."""
        if not self._seen <= seen <= len(self.committed):
            raise OutOfStep(f"resume.seen is {seen}: must lie between {self._seen} and {len(self.committed)}")
        self._seen = seen
        self._tree, self._closed = Tree.chain(self.committed[seen:]), False
        self._claims = [] if self.judging.plain else [Claim()] * len(self._tree)
        self._judged = len(self.committed)
        self.heard = 0
        self.yielded = self._told_all = False
        self._waits = self._rejected is not None
        told = tuple(self._log_probabilities[seen - self._opened_with :])
        lossy = sum(position >= seen for position in self._unverified)
        residual = None if self._rejected is None else self._rejected.row()
        return Commit(seen, tuple(self.committed[seen:]), log_probabilities=told, residual=residual, lossy=lossy)

    @property
    def _ahead(self) -> int:
        return len(self.committed) - self._seen

    def _judge(self) -> None:
        """Tell the fate of proposals that the committed text has reached; behind a wrong one there is none."""
        begin = max(self._judged, self._seen)
        if begin >= len(self.committed):
            return
        fate = fate_of(self._tree, self.committed[self._seen :], begin - self._seen)
        if fate.known > 0:
            self._judged = begin + fate.known
            self.overtaken.append(fate)

    def _proposals(self) -> Tree:
        return Tree.EMPTY if self._waits else self._tree.below(self.committed[self._seen :])

    def _grown(self, tree: Tree, propose: Propose) -> Tree:
        """The tree with what was proposed behind it. Raises InvalidValue."""
        first = len(tree)
        if not propose.parents:
            return tree.grown(propose.ids, range(first - 1, first - 1 + len(propose.ids)))
        for place, (token, parent) in enumerate(zip(propose.ids, propose.parents, strict=True)):
            if not 0 <= parent <= first + place:
                rule = f"must lie between 0 and {first + place}, the ids before it"
                raise InvalidValue(f"propose.parents[{place}]", parent, rule)
            if tree.child(parent - 1, token) is not None:
                raise InvalidValue(f"propose.ids[{place}]", token, "stands there already: its parent has it as a child")
            tree = tree.grown((token,), (parent - 1,))
        return tree

    def _claimed(self, propose: Propose, *, correcting: bool) -> tuple[Claim, ...]:
        if self.judging.plain:
            refuse_marks(propose)
            return ()
        if correcting and propose.ids and not propose.given & 1:
            raise OutOfStep("propose.given is not set for ids[0]: a proposal was rejected, its correction comes first")
        if correcting and not propose.ids and self._told_all:
            raise OutOfStep("propose.ids is empty: the whole row was told, the correction is due")
        return claims_of(propose, self.judging, self._rules.rows, correcting=correcting)

    def _check(self, propose: Propose) -> None:
        if propose.parents and not self.judging.plain:
            raise Unsupported(
                "propose.parents is set: this session judges paths, only one that compares ids takes trees"
            )
        seen, held = propose.seen, propose.base + len(propose.ids) - propose.seen
        if not self._seen <= seen <= len(self.committed):
            raise InvalidValue("propose.seen", seen, f"must lie between {self._seen} and {len(self.committed)}")
        if propose.base < seen:
            raise InvalidValue("propose.base", propose.base, f"must be at least propose.seen, {seen}")
        if held > self._rules.window:
            raise InvalidValue("propose.ids", f"{held} ids beyond seen", f"the window is {self._rules.window}")
        for token in propose.ids:
            if token >= self._rules.rows:
                raise InvalidValue("propose.ids", token, f"the target's ids are below {self._rules.rows}")
            if token in self._rules.placeholder_ids:
                raise InvalidValue("propose.ids", token, "stands for a picture and cannot be part of an answer")
