"""Whose turn it is: who wants a step, who may follow in one that runs anyway, and how long an idle engine waits.

Guarantees: who was served longest ago comes first. A session of pace auto that has room ahead wants a step of its own,
proposals or not, as soon as `turn - 1` steps have passed it by, and on an idle engine after `turn` times the time of a
step of its own. It runs on the engine's thread; times are seconds of the caller's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_server.engine.session import Served, Session


@dataclass(frozen=True)
class Ready:
    """Who wants a step, and who may follow in it; longest served ago first."""

    wanting: list[Session]
    followers: list[Session]


class Turns:
    """All sessions of the engine. `alone`: how long a step of one session without proposals takes."""

    def __init__(self, turn: int, alone: Callable[[Session], float]) -> None:
        self.sessions: list[Session] = []
        self._turn = turn
        self._alone = alone
        self._steps = 0

    def wait(self, now: float) -> float | None:
        """How long to wait for somebody's word: not at all if a session wants a step; None: as long as it takes."""
        if any(self._wants(session) for session in self.sessions):
            return 0.0
        return min((self._left(session, now) for session in self.sessions if session.may_follow), default=None)

    def ready(self, now: float) -> Ready:
        """Who may step now. Nobody follows if nobody wants."""
        wanting = [session for session in self.sessions if self._wants(session)]
        followers = [session for session in self.sessions if session.may_follow and session not in wanting]
        if not wanting:
            return Ready([session for session in followers if self._left(session, now) <= 0], [])
        return Ready(wanting, followers)

    def served(self, sessions: Sequence[Session], now: float) -> None:
        """A step has served these: they go to the end."""
        if sessions:
            self._steps += 1
        for session in sessions:
            session.served = Served(self._steps, now)
            if session in self.sessions:
                self.sessions.remove(session)
                self.sessions.append(session)

    def _wants(self, session: Session) -> bool:
        passed_by = self._steps - session.served.step
        return session.may_step or (passed_by >= self._turn - 1 and session.may_follow)

    def _left(self, session: Session, now: float) -> float:
        """Seconds until an idle engine steps the session all the same."""
        return max(0.0, session.served.at + self._turn * self._alone(session) - now)
