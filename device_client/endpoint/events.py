"""A stream of server-sent events, or one whole response instead of it.

Guarantees: the head goes out with the first event, or after `Rhythm.head` with a comment; a comment follows whenever
the stream has been silent for `Rhythm.comment`. A client that reads nothing for `Rhythm.read` raises Unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from starlette.types import Send

from device_client.endpoint.writing import DONE, event, head, send_json

_COMMENT = b": still here\n\n"  # says that the stream lives, and nothing to who reads events
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@dataclass(frozen=True)
class Rhythm:
    """Seconds. `head`: most of what is refused is refused sooner, with a status. `comment`: proxies wait longer."""

    head: float = 0.5
    comment: float = 3.0
    read: float = 60.0


class Unread(Exception):
    """The client does not read what is sent to it."""


class Events:
    """What one request is answered with, over `send`."""

    def __init__(self, send: Send, rhythm: Rhythm = Rhythm()) -> None:
        self.begun = False
        self._send = send
        self._rhythm = rhythm
        self._last = 0.0

    async def say(self, chunk: Mapping[str, Any]) -> None:
        """An event."""
        await self._write(event(chunk))

    async def breathe(self) -> None:
        """Comments for as long as nothing else is said. Never ends by itself."""
        await asyncio.sleep(self._rhythm.head)
        while True:
            if not self.begun or monotonic() - self._last >= self._rhythm.comment:
                await self._write(_COMMENT)
            await asyncio.sleep(max(0.01, self._last + self._rhythm.comment - monotonic()))

    async def end(self, *, done: bool = True) -> None:
        """The end of the stream, which says so if it is one that was wanted."""
        await self._write(DONE if done else b"", more=False)

    async def instead(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        """A whole response, before anything else was said."""
        await send_json(self._send, status, body, headers)

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        try:
            async with asyncio.timeout(self._rhythm.read):
                if not self.begun:
                    self.begun = True
                    await self._send(head(200, "text/event-stream", _HEADERS))
                await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            raise Unread from None
        self._last = monotonic()
