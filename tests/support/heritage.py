"""Which decoders are a test's own: what earlier tests left is held by the frames of one that failed, say.

One test runs at a time, so what was there before it is kept for the process, weakly.
"""

from __future__ import annotations

import gc
from weakref import WeakSet

_before: WeakSet[object] = WeakSet()


def begin() -> None:
    """A test begins: what is there is none of its own."""
    _before.clear()
    _before.update(_decoders())


def own_decoders() -> int:
    """How many are alive that were not there before the test."""
    return sum(decoder not in _before for decoder in _decoders())


def _decoders() -> list[object]:
    # By name: a test that needs no model is not to import one.
    return [thing for thing in gc.get_objects() if type(thing).__name__ == "ToyDecoder"]
