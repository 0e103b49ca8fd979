"""When what was done for one answer, for a device that asked: kept on the engine's thread, told in parcels.

Guarantees: nothing is told of other answers but the length of the steps that this one was in; an answer that did not
ask has no journal, and costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from shared.speculation.traced import Span, SpanKind, Traced

PARCEL = 32  # spans: a message with each step would cost the stream more than the steps' own words


class Journal:
    """Spans that are not told yet. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spans: list[Span] = []
        self._chose = 0.0

    @property
    def is_full(self) -> bool:
        """Whether a parcel is ready."""
        return len(self._spans) >= PARCEL

    def saw(self, begin: float) -> None:
        """The pictures were looked at from `begin` until now."""
        self._spans.append(_span(SpanKind.SEE, begin, self._clock()))

    def stepped(self, begin: float, seconds: float, prompt_tokens: int, proposals: int) -> None:
        """A step is over, and what it brought for this answer is now looked at."""
        span = _span(SpanKind.STEP, begin, begin + seconds)
        self._spans.append(replace(span, prompt_tokens=prompt_tokens, proposals=proposals))
        self._chose = self._clock()

    def chose(self, stood: int) -> None:
        """The tokens of the last step are chosen: so many of its proposals stood."""
        self._spans[-1] = replace(self._spans[-1], stood=stood)
        self._spans.append(_span(SpanKind.CHOOSE, self._chose, self._clock()))

    def parcel(self, newest: tuple[int, float]) -> Traced:
        """What is not told yet, which is forgotten. `newest`: how many Proposes were heard, and when the last was.

        Rounded so that nothing seems heard earlier, or said later, than it was.
        """
        spans, self._spans = tuple(self._spans), []
        heard, at = newest
        return Traced(spans, heard, math.ceil(at * 1e6), math.floor(self._clock() * 1e6))


def _span(kind: SpanKind, begin: float, end: float) -> Span:
    begin_us = round(begin * 1e6)
    return Span(kind, begin_us, max(0, round(end * 1e6) - begin_us))
