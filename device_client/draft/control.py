"""The device's side of an answer as one value: conversation, confidence, times and policy, without threads or a clock.

Guarantees: a move that it gives can be made; at a pace that waits for the device, it never waits with nothing handed
over (it is quiet then, and a quiet device yields). The real device and the virtual one of the benchmarks both run it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from device_client.draft.branching import MOST, RIDES, Limb, Trunk
from device_client.draft.calibration import Calibration
from device_client.draft.policy import WORDS_A_STEP, Handing, Lesson, Move, Policy, View, in_the_way
from device_client.draft.shape import SHAPES, Shape
from device_client.flight import Flight
from shared.speculation.branches import Branch, held
from shared.speculation.coupled import MOST_GAP, Choice
from shared.speculation.device import DeviceConversation
from shared.speculation.marks import Mark
from shared.speculation.messages import Commit, agreement


@dataclass(frozen=True, slots=True)
class Forward:
    """A draft forward to run: the token after each of these texts, of output tokens, in one. `path`: the whole text of
    the path, which is drafted on later if not now. `behind`: the path is a closed block; what the target may add to it
    is asked for, and nothing is proposed there.
    """

    texts: tuple[list[int], ...]
    path: list[int]
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What a commit did. `dropped`: drafted tokens that are thrown away. `corrected`: a token of the path fell, or, to
    a device that branches, the target added one to a block; `foreseen`: and a branch had gone on from what came there.
    """

    dropped: int
    corrected: bool
    foreseen: bool


@dataclass
class Control:
    """Moments are seconds of the caller's clock."""

    conversation: DeviceConversation
    policy: Policy
    handing: Handing
    branching: bool = False
    calibration: Calibration = field(default_factory=Calibration)
    flight: Flight = field(default_factory=Flight)
    closes: bool = False  # what is handed over is a block: nothing is drafted behind it until it is judged
    most_branches: int = MOST  # at a time, if any
    shape: Shape = SHAPES["best"]
    heard_at: float = 0.0
    said_at: float = 0.0
    _choices: list[Choice] = field(default_factory=list)  # of the path, and how likely each stands
    _chances: list[float] = field(default_factory=list)
    _limbs: list[Limb] = field(default_factory=list)
    _behind: tuple[Choice, float] | None = None  # what the target may add to the closed block, and how likely that is
    _fallen: Choice | None = None  # what was refused
    _next: Forward = Forward((), [])

    def room(self, limit: int) -> int:
        """How many tokens more may be drafted now, if the answer has places for `limit` behind the path."""
        return max(0, min(limit, self.conversation.wanted(self.flight.tokens)))

    def move(self, limit: int, now: float, *, mute: bool = False) -> Move:
        """How to go on. `mute`: there is no stream to say anything on, so SEND is not among the moves."""
        self._align()
        if self.conversation.blocked:
            return Move.WAIT
        view = self._view(self.room(limit), now)
        move = self.policy.propose(view)
        if mute and view.unsent:
            move = Move.DRAFT if move in (Move.DRAFT, Move.SEND) else Move.WAIT
        if (move is Move.DRAFT and view.room == 0) or (move is Move.SEND and not view.unsent):
            move = Move.WAIT
        if move is Move.WAIT and not mute and self._may_tell(now):
            move = Move.SEND
        if move is Move.QUIET and view.unsent:  # a token once drawn is judged, however sure the draft is of it
            move = Move.WAIT
        if move is Move.WAIT and self.handing is not Handing.STREAM and not view.sent and not mute:
            move = Move.SEND if view.unsent else Move.QUIET
        return self._planned(move, view, len(view.path) + max(0, limit))

    def _may_tell(self, now: float) -> bool:
        """Whether branches go out on their own: to an edge that steps anyway, no more often than the path would."""
        untold = self.handing is Handing.STREAM and self.conversation.untold > 0
        return untold and now >= self.said_at + (self.flight.times.step or 0.0) / WORDS_A_STEP

    def forward(self) -> Forward:
        """What DRAFT means now."""
        return self._next

    def drafted(self, forward: Forward, drawn: Sequence[tuple[Choice, Mark | None]], begin: float, now: float) -> int:
        """A forward is done. How many of its tokens are of no use: what they were for is gone by now."""
        self._align()
        self.flight.drafted(now - begin, now, len(drawn))
        of_use = 0
        for text, (choice, mark) in zip(forward.texts, drawn, strict=True):
            if forward.behind and text == forward.path:
                of_use += self._expected(text, choice)
            else:
                of_use += self._grown(text, choice, mark)
        return len(drawn) - of_use

    def _expected(self, text: list[int], choice: Choice) -> bool:
        """What the target may add behind a closed block."""
        conversation = self.conversation
        if not conversation.closed or text != conversation.committed + conversation.path:
            return False
        self._behind = choice, self.calibration.chance(choice)
        return True

    def _grown(self, text: list[int], choice: Choice, mark: Mark | None) -> bool:
        conversation = self.conversation
        given = mark is not None and mark.claim.given
        chance = 1.0 if given else self.calibration.chance(choice)
        if text == conversation.committed + conversation.path and conversation.room > 0 and not conversation.blocked:
            conversation.draft(choice.token, conversation.version, mark)
            self._choices.append(choice)
            self._chances.append(chance)
            return True
        branch = conversation.grow(text, choice.token, mark)
        for limb in self._limbs:
            if limb.branch is branch:
                limb.choices.append(choice)
                limb.chances.append(chance)
        return branch is not None

    def correct(self, token: int) -> Taken:
        """The correction of what was rejected is drawn: the path begins with it."""
        before = held(self.conversation.branches)
        branch = self.conversation.correct(token)
        if self._fallen is not None:
            self.calibration.corrected(self._fallen, token)
        self._follow(branch, 0)
        self._choices = [Choice(token, None, MOST_GAP, 0.0, 1.0), *self._choices]
        self._chances = [1.0, *self._chances]
        return Taken(before - len(self.conversation.path) + 1, corrected=False, foreseen=branch is not None)

    def said(self, now: float) -> None:
        """Drafted tokens were handed over."""
        self.said_at = now

    def heard(self, commit: Commit, now: float) -> Taken:
        """Take a commit, and learn. Raises OutOfStep."""
        self._align()
        conversation = self.conversation
        if commit.start != len(conversation.committed) or not (commit.ids or commit.residual):
            return Taken(conversation.hear(commit), corrected=False, foreseen=False)
        stood = agreement(conversation.path, commit.ids)
        fell = commit.residual is not None and conversation.refused is None and not conversation.corrects
        decided = self._choices[: min(stood + 1, len(commit.ids) + fell)]
        added = self.branching and conversation.closed and stood == len(conversation.path) < len(commit.ids)
        branch = conversation.foreseen(commit.ids)
        dropped = conversation.hear(commit)
        for number, choice in enumerate(decided):
            self.calibration.saw(choice, stood=number < stood)
        corrected = len(decided) > stood
        if fell:
            self._fallen = decided[stood] if corrected else None
        elif corrected:
            self.calibration.corrected(decided[stood], commit.ids[stood])
        self.policy.learn(Lesson(decided, min(stood, len(decided)), stood == len(self._choices) < len(commit.ids)))
        self.heard_at = now
        self._follow(branch, len(commit.ids) - stood - 1)
        return Taken(dropped, corrected or added, branch is not None)

    def _follow(self, branch: Branch | None, behind: int) -> None:
        """Keep what belongs to the path and the branches as they are now. `branch` is the path now, from there on."""
        for limb in self._limbs:
            if limb.branch is branch:
                self._choices, self._chances = limb.choices[behind:], limb.chances[behind:]
        if branch is None:
            gone = max(0, len(self._choices) - len(self.conversation.path))
            del self._choices[:gone], self._chances[:gone]
        self._limbs = [limb for limb in self._limbs if limb.branch in self.conversation.branches]

    def _planned(self, move: Move, view: View, longest: int) -> Move:
        """The move, with what the next forward is for: the path, branches that ride along, or branches alone.

        `longest`: how many tokens the answer has a place for.
        """
        conversation = self.conversation
        path = conversation.committed + conversation.path
        branching = self.branching and move in (Move.DRAFT, Move.WAIT) and bool(self._choices)
        behind = branching and conversation.closed and self._behind is None and len(view.path) + 2 <= longest
        behind = behind and not in_the_way(view, math.prod(view.chances))
        texts = [path] if move is Move.DRAFT or behind else []
        if branching:
            riding = self._riding(view, RIDES + 1 - len(texts), longest)
            texts += [conversation.text_of(limb.branch) for limb in riding]
        self._next = Forward(tuple(texts), path, behind)
        return Move.DRAFT if texts else move

    def _riding(self, view: View, count: int, longest: int) -> list[Limb]:
        """The branches that the next forward goes on with: those that are worth the time they take."""
        trunk = Trunk(
            self._choices,
            self._chances,
            self.calibration.second,
            longest,
            self.conversation.deepest,
            self.most_branches,
            self.shape,
            self._behind,
        )
        alone = count > RIDES
        best = trunk.best(self._limbs, count, self.flight.ride)
        if alone and best and in_the_way(view, sum(trunk.chance(limb) for limb in best)):
            return []
        for limb in best:
            if limb not in self._limbs:
                limb.branch = self.conversation.branch(limb.branch.at, limb.branch.other)
                self._limbs.append(limb)
        return best

    def _align(self) -> None:
        """Forget the choices of what is no longer on the path, and what was expected behind a block that is judged."""
        if not self.conversation.closed:
            self._behind = None
        gone = max(0, len(self._choices) - len(self.conversation.path))
        del self._choices[:gone], self._chances[:gone]

    def _view(self, room: int, now: float) -> View:
        flight = self.flight
        return View(
            path=self._choices,
            chances=self._chances,
            sent=self.conversation.sent,
            compared=self.conversation.compared,
            room=room,
            typical=self.calibration.typical,
            times=flight.times,
            handing=self.handing,
            now=now,
            heard_at=self.heard_at,
            said_at=self.said_at,
        )
