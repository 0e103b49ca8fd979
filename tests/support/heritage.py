"""Which decoders are a test's own: what earlier tests left is held by the frames of one that failed, say.

One test runs at a time, so those made since it began are kept for the process, weakly.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

_made: WeakSet[object] = WeakSet()


def begin() -> None:
    """A test begins: what is there is none of its own."""
    _made.clear()


def watch(kind: type[Any]) -> None:
    """Know each decoder of this kind, forks too, as it is made: to search the heap for them takes .1 s a test."""

    def noted(cls: type[object], *arguments: object, **named: object) -> object:
        made = object.__new__(cls)
        _made.add(made)
        return made

    kind.__new__ = staticmethod(noted)  # type: ignore[assignment]


def own_decoders() -> int:
    """How many are alive that were made in this test."""
    return len(_made)
