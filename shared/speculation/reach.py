"""How far ahead of the text it is worth to draft, by what the edge has said of itself."""

from __future__ import annotations

REST = 16  # steps: what is heard costs the edge about a hundredth of a short step, and of these none


def reach(window: int, admitted: int | None, in_flight: int | None) -> int:
    """How long a path is worth drafting, from 1 to `window`.

    When the path arrives, the edge has committed `in_flight` tokens of it and a step runs, which may commit `admitted`
    more and its own; the step after that looks at `admitted`, at one at least, so that a look at one finds one. Without
    a limit (admitted is None), or before anything was measured (in_flight is None), the window, unless none is looked
    at.
    """
    if admitted is None or (in_flight is None and admitted > 0):
        return window
    return min(window, (in_flight or 0) + (admitted + 1) + max(1, admitted))
