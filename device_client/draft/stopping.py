"""The field's rules for when to stop drafting, as baselines: each says whether one more token of the path is wanted.

They were made for rounds. Here a path runs on beyond the text as it grows, so a rule looks at what of the path is not
decided yet; in lockstep that is a round.
"""

from __future__ import annotations

import math
from collections import deque

from device_client.draft.policy import Handing, Lesson, Move, View, handed


class Fixed:
    """So many tokens ahead, whatever happens."""

    def __init__(self, length: int) -> None:
        self._length = length

    def propose(self, view: View) -> Move:
        """As the port says."""
        return handed(view, more=len(view.path) < self._length)

    def learn(self, lesson: Lesson) -> None:
        """Nothing."""


class Unsure:
    """Stop behind the first token that the gate does not let through: the edge is asked about that one alone.

    U-HLM, arXiv 2412.12687.
    """

    def propose(self, view: View) -> Move:
        """As the port says."""
        return handed(view, more=not view.compared)

    def learn(self, lesson: Lesson) -> None:
        """Nothing."""


class Confidence:
    """Stop behind a token less probable than `least`.

    Hugging Face assisted generation, `assistant_confidence_threshold`, .4 there; its online fit is left out.
    """

    def __init__(self, least: float = 0.4) -> None:
        self._least = least

    def propose(self, view: View) -> Move:
        """As the port says."""
        return handed(view, more=all(choice.probability >= self._least for choice in view.path))

    def learn(self, lesson: Lesson) -> None:
        """Nothing."""


class EntropyBound:
    """Stop behind a token whose bound 1 - sqrt(gamma H) on acceptance is below lambda (AdaEDL, arXiv 2410.18351).

    lambda follows acceptance: with the running rate r, l <- b l + (1 - b)(l + e sign(r* - r)).
    """

    GAMMA, AIM, STEP, SLOW, FIRST = 0.2, 0.9, 0.01, 0.9, 0.4

    def __init__(self) -> None:
        self._least = self.FIRST
        self._rate = self.AIM

    def propose(self, view: View) -> Move:
        """As the port says."""
        bounds = (1 - math.sqrt(self.GAMMA * choice.entropy) for choice in view.path)
        return handed(view, more=all(bound >= self._least for bound in bounds))

    def learn(self, lesson: Lesson) -> None:
        """Move lambda towards the acceptance aimed at."""
        if lesson.decided:
            self._rate = 0.5 * self._rate + 0.5 * lesson.stood / len(lesson.decided)
            moved = self._least + self.STEP * (1 if self._rate < self.AIM else -1)
            self._least = min(1.0, max(0.0, self.SLOW * self._least + (1 - self.SLOW) * moved))


class EntropyDepth:
    """The entropy of one round plans the depth of the next (SAGE, arXiv 2602.00523), its chain without width.

    depth = least + (1 - H / ln 10)(most - least), shrunk or grown where the last ten accepted lengths are short or
    long. The paper renormalises over the ten likeliest tokens; the entropy here is that of the whole law, capped.
    """

    LEAST, MOST, SHORT, LONG, HISTORY = 3, 8, 2.0, 3.0, 10

    def __init__(self) -> None:
        self._sureness = 0.5
        self._shift = 0
        self._lengths: deque[int] = deque(maxlen=self.HISTORY)

    def propose(self, view: View) -> Move:
        """As the port says."""
        depth = self.LEAST + self._sureness * (self.MOST - self.LEAST)
        return handed(view, more=len(view.path) < max(1, round(depth) + self._shift))

    def learn(self, lesson: Lesson) -> None:
        """Plan by what was decided."""
        if not lesson.decided:
            return
        entropy = sum(choice.entropy for choice in lesson.decided) / len(lesson.decided)
        self._sureness = max(0.0, 1 - entropy / math.log(10))
        self._lengths.append(lesson.stood)
        mean = sum(self._lengths) / len(self._lengths)
        if mean < self.SHORT:
            self._shift = max(-2, self._shift - 1)
        elif mean > self.LONG:
            self._shift = min(2, self._shift + 1)


class MovingAverage:
    """The length that is best for a moving average of acceptance a and the channel's delay (CoVSpec, our reading).

    K = argmax (1 - a^(K+1)) / (1 - a) / (K draft + step + round trip). Before any times are known it is `FIRST`; `MOST`
    for an edge that steps anyway.
    """

    MEMORY, FIRST, MOST = 0.1, 4, 16

    def __init__(self) -> None:
        self._rate = 0.7

    def propose(self, view: View) -> Move:
        """As the port says."""
        return handed(view, more=len(view.path) < self._length(view))

    def learn(self, lesson: Lesson) -> None:
        """The share of tokens that stood."""
        if lesson.decided:
            share = lesson.stood / len(lesson.decided)
            self._rate = min(0.999, (1 - self.MEMORY) * self._rate + self.MEMORY * share)

    def _length(self, view: View) -> int:
        times = view.times
        if times.known is None or times.step is None:
            return self.MOST if view.handing is Handing.STREAM else self.FIRST
        draft, _, round_trip = times.known
        best, length, expected, chance = 0.0, 1, 1.0, 1.0
        for count in range(1, self.MOST + 1):
            chance *= self._rate
            expected += chance
            speed = expected / (count * draft + times.step + round_trip)
            if speed > best:
                best, length = speed, count
        return length
