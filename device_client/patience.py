"""How long a device goes on trying to reach its edge, and how long it waits between two tries.

Pure: time, in seconds, and chance are arguments. It gives up after `seconds` in which nothing came of it; to stand in
an edge's line is no such time. A full edge says itself when to come again, and is not asked earlier.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import CovspecError, EngineFailure, Overloaded

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 1.0  # between tries, doubling
_SPREAD = 0.2  # of a full edge's delay is added at most, so that those it has sent away do not come back all at once


class Patience:
    """The patience with one edge during one answer. `chance`: uniform in [0, 1)."""

    def __init__(self, seconds: float, chance: Callable[[], float]) -> None:
        self.seconds = seconds
        self.failures = 0  # one after another
        self._broken = 0  # of them those of an engine
        self._chance = chance
        self._since: float | None = None  # the first failure after something came of it

    def rewarded(self) -> None:
        """The answer has grown: what comes is the first failure again."""
        self.failures, self._broken, self._since = 0, 0, None

    def queued(self) -> None:
        """The edge has had the device in line: no time was lost, but tries go on as far apart as they were."""
        self._since = None

    def again(self) -> float:
        """Another try at once, after a first failure a little later: seconds to wait."""
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self.failures) if self.failures else 0.0
        self.failures += 1
        return wait

    def wait(self, broken: CovspecError, now: float, *, begun: bool, lasted: float = 0.0) -> float:
        """Seconds to wait after `broken` before the next try. Raises `broken` if there is to be none.

        `begun`: the answer has; before that nothing is lost by telling the person of a full edge, so nobody waits for
        one in vain. `lasted`: seconds that the try took; a link that swallows everything has made it wait already.
        """
        if self._since is None:
            self._since = now
        left = self._since + self.seconds - now
        self._broken += isinstance(broken, EngineFailure)
        if left < 0 or (isinstance(broken, EngineFailure) and self._broken > 1):
            raise broken
        if not isinstance(broken, Overloaded) or (begun and broken.retry_after is None):
            return max(0.0, self.again() - lasted)
        if broken.retry_after is None:
            raise broken
        delay = broken.retry_after * (1 + _SPREAD * self._chance())
        if delay > left and (left == 0 or not begun):
            raise broken
        self.failures += 1
        return min(delay, left)
