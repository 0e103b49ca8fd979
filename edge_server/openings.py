"""How often streams may be opened, and the edge be asked about itself: a token bucket for each connection and tenant.

A stream that is opened and cancelled at once costs its device nothing and the edge a prompt. Guarantees: over any time
of t seconds a connection opens at most per_second * (SPAN + t) streams, and a tenant CONNECTIONS times as many. A
connection is not refused for the haste of another, as long as its tenant has some left.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import Overloaded

SPAN = 10.0  # seconds' worth that may come at once
CONNECTIONS = 4  # as many as this open at full rate before a tenant is refused
_MOST = 4096  # buckets that are remembered: those that are full again are as good as new


@dataclass
class Bucket:
    """Of openings left, as of time `at`."""

    left: float
    at: float


class Openings:
    """All buckets of one edge. Times are seconds of the caller's clock; `per_second` is a connection's."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def take(self, tenant: str, connection: str, now: float) -> None:
        """One more. Raises Overloaded, with the time after which there will be another."""
        buckets = [
            (self._filled((tenant, connection), self._per_second, now), self._per_second, "connection"),
            (self._filled((tenant, ""), self._per_second * CONNECTIONS, now), self._per_second * CONNECTIONS, "tenant"),
        ]
        for bucket, rate, whose in buckets:
            if bucket.left < 1:
                raise Overloaded(
                    f"this {whose} opens more than {rate:g} streams a second (max_openings_per_second)",
                    (1 - bucket.left) / rate,
                )
        for bucket, _, _ in buckets:
            bucket.left -= 1

    def _filled(self, key: tuple[str, str], rate: float, now: float) -> Bucket:
        bucket = self._buckets.pop(key, None)
        if bucket is None:
            if len(self._buckets) >= _MOST:
                self._forget(now)
            bucket = Bucket(rate * SPAN, now)
        self._buckets[key] = bucket  # the one that was asked last is the last
        bucket.left = min(rate * SPAN, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        return bucket

    def _forget(self, now: float) -> None:
        """Those that have not been asked for so long that they are full, and else half of them, the longest unused."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if now - bucket.at < SPAN}
        while len(self._buckets) > _MOST // 2:
            del self._buckets[next(iter(self._buckets))]
