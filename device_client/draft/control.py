"""The device's side of an answer as one value: conversation, confidence, times and policy, without threads or a clock.

Guarantees: a move that it gives can be made; at a pace that waits for the device, it never waits with nothing handed
over (it is quiet then, and a quiet device yields). The real device and the virtual one of the benchmarks both run it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from device_client.draft.calibration import Calibration
from device_client.draft.policy import Handing, Lesson, Move, Policy, View
from device_client.flight import Flight
from shared.speculation.coupled import MOST_GAP, Choice
from shared.speculation.device import DeviceConversation, Mark
from shared.speculation.messages import Commit, agreement


@dataclass(frozen=True, slots=True)
class Forward:
    """A draft forward to run: the token after output tokens `text`, for the path of this version."""

    text: list[int]
    version: int


@dataclass
class Control:
    """Moments are seconds of the caller's clock."""

    conversation: DeviceConversation
    policy: Policy
    handing: Handing
    calibration: Calibration = field(default_factory=Calibration)
    flight: Flight = field(default_factory=Flight)
    closes: bool = False  # what is handed over is a block: nothing is drafted behind it until it is judged
    heard_at: float = 0.0
    said_at: float = 0.0
    _choices: list[Choice] = field(default_factory=list)  # of the path, and how likely each stands
    _chances: list[float] = field(default_factory=list)

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
            return Move.DRAFT if move in (Move.DRAFT, Move.SEND) and view.room > 0 else Move.WAIT
        if move is Move.DRAFT and view.room == 0:
            move = Move.WAIT
        if move in (Move.SEND, Move.WAIT) and not view.unsent:
            move = Move.WAIT
        if move is Move.QUIET and view.unsent:  # a token once drawn is judged, however sure the draft is of it
            move = Move.WAIT
        if move is Move.WAIT and self.handing is not Handing.STREAM and not view.sent:
            return Move.SEND if view.unsent else Move.QUIET
        return move

    def forward(self) -> Forward:
        """What DRAFT means now."""
        return Forward(self.conversation.committed + self.conversation.path, self.conversation.version)

    def drafted(self, forward: Forward, choice: Choice, begin: float, now: float, mark: Mark | None = None) -> bool:
        """A forward is done. Whether its token is on the path: the path may be gone by now."""
        self._align()
        self.flight.drafted(now - begin, now)
        if not self.conversation.draft(choice.token, forward.version, mark):
            return False
        self._choices.append(choice)
        self._chances.append(self.calibration.chance(choice))
        return True

    def correct(self, token: int) -> None:
        """The correction of what was rejected is drawn: the path begins with it."""
        self.conversation.correct(token)
        self._choices, self._chances = [Choice(token, None, MOST_GAP, 0.0, 1.0)], [1.0]

    def said(self, now: float) -> None:
        """Drafted tokens were handed over."""
        self.said_at = now

    def heard(self, commit: Commit, now: float) -> int:
        """Take a commit, and learn. How many drafted tokens are thrown away. Raises OutOfStep."""
        self._align()
        conversation = self.conversation
        stood = agreement(conversation.path, commit.ids)
        fell = commit.residual is not None and conversation.refused is None and not conversation.corrects
        known = (fell or len(commit.ids) > 0) and commit.start == len(conversation.committed)
        decided = self._choices[: min(stood + 1, len(commit.ids) + fell)]
        dropped = conversation.hear(commit)
        if known:
            for number, choice in enumerate(decided):
                self.calibration.saw(choice, stood=number < stood)
            self.policy.learn(Lesson(decided, min(stood, len(decided)), stood == len(self._choices) < len(commit.ids)))
            self.heard_at = now
        self._align()
        return dropped

    def _align(self) -> None:
        """Forget the choices of what is no longer on the path."""
        gone = len(self._choices) - len(self.conversation.path)
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
