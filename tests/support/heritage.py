"""Which decoders are a test's own: what earlier tests left is held by the frames of one that failed, say.

One test runs at a time, so those made since it began are kept for the process, weakly.
"""

from __future__ import annotations

from functools import wraps
from typing import Any
from weakref import WeakSet

_made: WeakSet[object] = WeakSet()


def begin() -> None:
    """A test begins: what is there is none of its own."""
    _made.clear()


def watch(kind: type[Any]) -> None:
    """Know each decoder of this kind from its beginning on: to look for them among all objects takes .1 s a test."""
    made = kind.__init__

    @wraps(made)
    def noted(self: object, *arguments: object, **named: object) -> None:
        _made.add(self)
        made(self, *arguments, **named)

    kind.__init__ = noted


def own_decoders() -> int:
    """How many are alive that were made in this test."""
    return len(_made)
