"""How a stream ended, as the edge said it: gRPC keeps the last status alone, and makes one up when a write fails.

Guarantees: the edge's own status is taken down even if a made-up one replaces it afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import grpc

MADE_UP = "Internal error from Core"  # what gRPC says of a write to a stream that the edge has ended
_LOOK_SECONDS = 0.002
Value = TypeVar("Value")


@dataclass(frozen=True)
class Status:
    """A status, with its sentence and its trailing metadata."""

    code: grpc.StatusCode
    sentence: str
    metadata: tuple[tuple[str, str | bytes], ...]


class LastWord:
    """Listens to `call` until it ends."""

    def __init__(self, call: grpc.aio.Call) -> None:
        self._call = call
        self._status: Status | None = None
        call.add_done_callback(self._note)

    @property
    def hidden(self) -> bool:
        """Whether gRPC has made up a status, and the edge's is not known: such a call cannot be cancelled any more."""
        return self._call.done() and self._status is None

    async def heard(self, seconds: float) -> Status | None:
        """The edge's status once the call has ended, if it comes within so many seconds; None if gRPC has hidden it."""
        try:
            async with asyncio.timeout(seconds):
                await self._call.code()
                while self.hidden:
                    self._note(self._call)
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            pass
        return self._status

    def _note(self, call: grpc.aio.Call) -> None:
        """gRPC calls this for the first status, before another can replace it; of a later one it tells nobody."""
        sentence = _settled(call.details())
        if sentence != MADE_UP and self._status is None:
            self._status = Status(_settled(call.code()), sentence, tuple(_settled(call.trailing_metadata())))


def _settled(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """What `coroutine` returns, which has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast(Value, done.value)
    coroutine.close()
    raise RuntimeError("a status that is there was waited for")
