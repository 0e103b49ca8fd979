"""What ended answers leave: the next turn of a chat finds here what it begins with, and need not take it again.

Guarantees: a tenant finds its own alone; who takes something changes nothing of what is here; it is never more than
`most` decoders and `most_bytes`. Those unused for longest leave first, each after `seconds` at the latest, and one all
of which another holds leaves at once. On the thread that owns the model, but for `nbytes`; times are seconds of the
caller's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.vlm.port import Decoder


@dataclass(eq=False)
class _Left:
    """A decoder that nobody steps any more, whose it is, and when it was left or taken from last."""

    tenant: str
    decoder: Decoder
    used: float


class Remains:
    """Keeps nothing where `most_bytes` is 0."""

    def __init__(self, most_bytes: int, most: int = 64, seconds: float = 300.0) -> None:
        self.nbytes = 0  # of memory
        self._most_bytes, self._most, self._seconds = most_bytes, most, seconds
        self._left: list[_Left] = []  # longest unused first

    def __len__(self) -> int:
        return len(self._left)

    def leave(self, tenant: str, decoder: Decoder, now: float) -> None:
        """An answer has ended with a decoder that has taken its whole prompt; nobody steps it any more."""
        if decoder.nbytes > self._most_bytes:
            return
        for other in self._of(tenant):
            if decoder.common(other.decoder) == other.decoder.held:
                self._drop(other)
        self._left.append(_Left(tenant, decoder, now))
        self.nbytes += decoder.nbytes
        while self.nbytes > self._most_bytes or len(self._left) > self._most:
            self._drop(self._left[0])

    def adopt(self, tenant: str, decoder: Decoder, now: float) -> int:
        """Give `decoder`, which has taken nothing, the longest beginning that is here. How many tokens that is."""
        self.expire(now)
        best = max(reversed(self._of(tenant)), key=lambda left: decoder.common(left.decoder), default=None)
        count = 0 if best is None else decoder.adopt(best.decoder)
        if best is not None and 2 * count > best.decoder.held:  # not the few tokens with which all prompts begin
            best.used = now
            self._left.remove(best)
            self._left.append(best)
        return count

    def wait(self, now: float) -> float | None:
        """Seconds until somebody's time is over; None: nothing is here."""
        return max(0.0, self._left[0].used + self._seconds - now) if self._left else None

    def expire(self, now: float) -> None:
        """Drop what nobody has used for too long."""
        while self._left and self._left[0].used + self._seconds <= now:
            self._drop(self._left[0])

    def clear(self) -> int:
        """Drop all of it; how many those were."""
        count = len(self._left)
        self._left.clear()
        self.nbytes = 0
        return count

    def close(self) -> None:
        """Drop all of it, and keep nothing from now on."""
        self.clear()
        self._most_bytes = 0

    def _of(self, tenant: str) -> list[_Left]:
        return [left for left in self._left if left.tenant == tenant]

    def _drop(self, left: _Left) -> None:
        self._left.remove(left)
        self.nbytes -= left.decoder.nbytes
