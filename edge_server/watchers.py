"""Several observers of the engine's steps as one. One that breaks is told of no more steps; the others are."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edge_server.engine.events import Observer, Step

log = logging.getLogger(__name__)


def together(observers: Sequence[Observer | None]) -> Observer | None:
    """One observer for those that are there; None if none is, so that no step is described for nobody."""
    left = [observer for observer in observers if observer is not None]
    if len(left) < 2:
        return left[0] if left else None

    def tell(step: Step) -> None:
        for observer in list(left):
            try:
                observer(step)
            except Exception:
                log.exception("one that watches the steps has failed, and is told of no more")
                left.remove(observer)

    return tell
