"""`marginal` where the edge waits for the device: how long a round is, and what is drafted while the edge works.

An edge that waits makes rounds: draft k tokens, hand them over, wait a turn (round trip and step). The law of such
renewals: a round is worth going on with while the chance of its next token exceeds the best rate that rounds can have
(tokens a second) times what the token costs (seconds). That rate comes from the typical chance a:

    rate(k) = (1 + a + ... + a^k) / (k draft + turn - a^(k+1) min(k draft, turn - draft))

for while the edge works the device drafts on for nothing, and keeps that if the whole round and the token behind it are
as it drafted them. To hand that over before the commit spares the edge an idle round trip, but makes it step over
the few tokens that are there; so it is done only where a round trip is longer than the drafting of a token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from device_client.draft.policy import Handing, Lesson, Move, View, handed
from device_client.draft.prices import Prices

FIRST = 4  # tokens of the first word, while no times are known; after it each word doubles what was said
LEARNED = 16  # tokens that the text decided, before the device may find that the edge is better off alone
_OVERDUE = 0.25  # of a turn: how soon a commit is taken to come that should have come already


@dataclass(frozen=True, slots=True)
class RoundTimes:
    """Seconds: of a draft token, of the target's step, of a word both ways. `ahead`: it drafts while the edge works."""

    draft: float
    step: float
    round_trip: float
    ahead: bool = True

    @property
    def turn(self) -> float:
        """From handing over to the commit."""
        return self.step + self.round_trip

    def best_rate(self, typical: float, longest: int) -> float:
        """Tokens a second of the best length up to `longest`, if every token stands with chance `typical`."""
        best, expected, chance = 0.0, 1.0, 1.0
        for length in range(1, longest + 1):
            chance *= typical
            expected += chance
            drafting = length * self.draft
            kept = max(0.0, min(drafting, self.turn - self.draft)) if self.ahead else 0.0
            best = max(best, expected / (drafting + self.turn - chance * typical * kept))
        return best


class Rounds:
    """As the module says, for one answer."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._decided = 0

    def propose(self, view: View) -> Move:
        """As the port says. QUIET, without a path, if rounds are slower than the edge alone."""
        times = _known(view)
        if view.sent and not (times is None or times.ahead):
            return Move.WAIT
        if times is None:
            return _groping(view)
        return self._meanwhile(view, times) if view.sent else self._round(view, times)

    def learn(self, lesson: Lesson) -> None:
        """Count what the text decided."""
        self._decided += len(lesson.decided)

    def _round(self, view: View, times: RoundTimes) -> Move:
        """Nothing is under way: draft on, hand over, or be quiet."""
        chance = math.prod(view.chances) * view.typical
        rate = times.best_rate(view.typical, len(view.path) + max(1, view.room))
        worth = chance > rate * (times.draft + self._price(chance, times))
        hopeless = self._decided >= LEARNED and rate * times.step < 1
        if not view.path and view.room > 0 and (hopeless or not worth):
            return Move.QUIET
        return handed(view, more=worth)

    def _meanwhile(self, view: View, times: RoundTimes) -> Move:
        """The edge is at work: drafting costs nothing but its price, if it does not keep a correction waiting."""
        chance = math.prod(view.chances) * view.typical
        due = view.said_at + times.turn - view.now
        if due <= 0:
            due = _OVERDUE * times.turn
        in_the_way = due < times.draft and chance * due < (1 - chance) * (times.draft - due)
        worth = view.room > 0 and chance * times.step > self._price(chance, times)
        last_call = view.now + times.draft > view.said_at + times.step
        if view.unsent > 1 and times.round_trip > times.draft and (last_call or not worth):
            return Move.SEND  # the first of them is the edge's own next token
        return Move.DRAFT if worth and not in_the_way else Move.WAIT

    def _price(self, chance: float, times: RoundTimes) -> float:
        return self._prices.device * times.draft + self._prices.wasted * (1 - chance) * times.step


def _known(view: View) -> RoundTimes | None:
    draft, step, round_trip = view.times.draft, view.times.step, view.times.round_trip
    if draft is None or step is None or round_trip is None:
        return None
    return RoundTimes(draft, step, round_trip, ahead=view.handing is not Handing.LOCKSTEP)


def _groping(view: View) -> Move:
    """Nothing is known: a whole window might be a second of drafting behind a first token that falls."""
    if view.handing is Handing.LOCKSTEP:
        return handed(view, more=len(view.path) < FIRST) if not view.sent else Move.WAIT
    due = len(view.path) >= FIRST and 2 * view.unsent >= len(view.path)
    if view.unsent and (due or view.room <= 0):
        return Move.SEND
    return Move.DRAFT if view.room > 0 else Move.WAIT
