"""Our rule: draft on while the next token is worth more than it costs, both in seconds.

A token that stands and comes in time spares the answer the rest of a target step; what it costs is the device's time,
where that is wanted elsewhere, and what the person's prices say. Chances come from the calibration, all times from the
stream. Nothing is fitted to a model or a link.

Eager edge: it goes on without us, so a token counts only where it overtakes the edge. After a correction the edge is a
round trip ahead, and the device gains (beat - draft) on it with each token.
Thrifty edge: it waits for us, and `rounds` says how long a round is worth while.
"""

from __future__ import annotations

import math

from device_client.draft.policy import Handing, Lesson, Move, View, handed, in_the_way
from device_client.draft.prices import PRICES, Prices
from device_client.draft.rounds import Rounds

PROBE_AFTER = 32  # commits without a draft, after which one path is drafted all the same; doubles to
PROBE_AT_MOST = 256


class Marginal:
    """As the module says."""

    def __init__(self, prices: Prices = PRICES["speed"]) -> None:
        self._prices = prices
        self._rounds = Rounds(prices)
        self._undrafted = 0  # commits since a path was drafted last
        self._probe_after = PROBE_AFTER
        self._probing = False

    def propose(self, view: View) -> Move:
        """As the port says. QUIET if not even a whole path would be worth it."""
        if view.handing is not Handing.STREAM:
            return self._held(view)
        if view.times.known is None:
            return handed(view, more=True, words=self._prices.words)
        return self._streamed(view)

    def learn(self, lesson: Lesson) -> None:
        """Count what was not drafted for the next probe."""
        self._probing = False
        self._rounds.learn(lesson)
        if lesson.decided:
            self._undrafted = 0
        else:
            self._undrafted += 1

    def _streamed(self, view: View) -> Move:
        chance = math.prod(view.chances)
        gain = self._gain(view, chance)
        if gain <= 0 and not view.path and self._due_for_a_probe():
            self._probing = True
        more = self._probing or (gain > 0 and not (view.path and in_the_way(view, chance)))
        if not more and not view.path and view.room > 0 and gain <= 0:
            return Move.QUIET
        return handed(view, more=more, words=self._prices.words)

    def _gain(self, view: View, chance: float) -> float:
        """Seconds that going on brings: the best over how far to go on, of what stands less what it costs.

        The edge alone would say token number k of the path by (k - 1) beats after its last commit began its way.
        """
        known = view.times.known
        assert known is not None
        draft, beat, round_trip = known
        if beat <= draft:
            return -math.inf
        since, length = view.now - view.heard_at, len(view.path)
        spared, price = beat - draft, self._prices.device * draft
        lag = since + round_trip + draft - length * beat  # of the first token behind the edge
        idle = max(0, math.ceil(lag / spared)) if lag > 0 else 0  # tokens that come too late to count
        net, best = -self._prices.word, -math.inf
        for number in range(view.room):
            chance *= view.typical
            if number >= idle:
                net += chance * spared
            net -= price + self._prices.wasted * (1 - chance) * beat
            best = max(best, net)
        return best

    def _held(self, view: View) -> Move:
        move = self._rounds.propose(view)
        if move is not Move.QUIET:
            return move
        self._probing = self._probing or self._due_for_a_probe()
        return Move.DRAFT if self._probing else move

    def _due_for_a_probe(self) -> bool:
        if self._undrafted < self._probe_after:
            return False
        self._undrafted, self._probe_after = 0, min(PROBE_AT_MOST, 2 * self._probe_after)
        return True
