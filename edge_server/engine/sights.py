"""Pictures that were seen before: a second question about one skips the vision tower.

Keyed by tenant and by the contents and order of all pictures of a prompt: how fast an answer begins tells nobody what
others have asked about. Bounded in visual tokens, least recently used leave.
"""

from __future__ import annotations

from collections import OrderedDict

from edge_server.engine.session import Session
from shared.vlm.port import VisualTokens, Vlm


class Sights:
    """Keeps at most `capacity` visual tokens."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[tuple[str, tuple[bytes, ...]], VisualTokens] = OrderedDict()
        self._tokens = 0

    def see(self, vlm: Vlm, session: Session) -> VisualTokens:
        """What `session`'s pictures look like to the model."""
        placed = session.prompt.digests
        key = (session.request.tenant, placed)
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            return known
        seen = vlm.see(session.prompt)
        if placed and len(seen.features) <= self._capacity:
            self._kept[key] = seen
            self._tokens += len(seen.features)
        while self._tokens > self._capacity:
            _, dropped = self._kept.popitem(last=False)
            self._tokens -= len(dropped.features)
        return seen
