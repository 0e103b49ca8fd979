"""What an edge did for one answer, and when, as values: for who asks where the time went.

Times are microseconds of the edge's own clock, which never goes back and begins anywhere.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class SpanKind(enum.Enum):
    """SEE: the vision tower. STEP: a forward with tokens of this answer in it. CHOOSE: its tokens, from the logits."""

    SEE = "see"
    STEP = "step"
    CHOOSE = "choose"


@dataclass(frozen=True, slots=True)
class Span:
    """`[begin_us, begin_us + duration_us)`. A step tells this answer's share of it: tokens of the prompt, proposals."""

    kind: SpanKind
    begin_us: int
    duration_us: int
    prompt_tokens: int = 0
    proposals: int = 0
    stood: int = 0


@dataclass(frozen=True, slots=True)
class Traced:
    """Spans since the last Traced, in the order of their ends. The `heard`-th Propose was heard at `heard_us`.

    `said_us`: when this was said. `heard` 0: nothing was heard on this stream yet.
    """

    spans: tuple[Span, ...]
    heard: int
    heard_us: int
    said_us: int
