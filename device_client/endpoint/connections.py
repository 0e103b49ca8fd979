"""Uvicorn's connections with bounds: how many, how long a request may take to arrive, errors in OpenAI's form.

Guarantees: a connection that has not said a whole request is closed after its time, however slowly it drips. When all
are taken, the one that has been between requests longest makes room, else the one that has been sending longest; those
that are answered stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from device_client.endpoint.config import EndpointConfig
from device_client.endpoint.refusals import Refusal
from device_client.endpoint.writing import json_bytes

HEAD_SECONDS = 15.0  # for the first line and the headers
SPARE = 256  # connections beyond those whose answers run or wait
_ANSWERED = 2
_GRACE = 1.0  # beyond the time for a body: a client that still sends can read that it is refused before it is cut off


def configured(
    app: ASGIApp, config: EndpointConfig, *, spare: int = SPARE, head_seconds: float = HEAD_SECONDS
) -> uvicorn.Config:
    """What uvicorn is told."""
    most = spare + config.parallel + config.max_waiting
    expected = {"head": head_seconds, "body": config.request_seconds + _GRACE}

    class Bounded(_Connection):
        """Connections of this endpoint: uvicorn makes them by their class alone."""

        limit = most
        seconds = expected

    return uvicorn.Config(
        app,
        http=Bounded,
        ws="none",
        log_config=None,
        access_log=config.log_level == "debug",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=round(config.drain_seconds),
    )


class _Connection(H11Protocol):
    limit: int
    seconds: Mapping[str, float]  # for a head, and for a body

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._part: str | None = None  # of a request that is not there yet: head, or body
        self._since = 0.0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Come in; somebody else may have to go."""
        super().connection_made(transport)
        self._expect("head")
        others: set[Any] = self.connections
        if len(others) > self.limit:
            last = min(others - {self}, key=lambda one: one.merit)
            (last if last.merit[0] < _ANSWERED else self).abandon()

    @property
    def merit(self) -> tuple[int, float]:
        """Who has least of it goes first: one between requests, then one whose request is still coming, the oldest."""
        ranks = {h11.IDLE: 0, h11.SEND_BODY: 1}
        return ranks.get(self.conn.their_state, _ANSWERED), self._since

    def abandon(self) -> None:
        """Close it without a word."""
        self.connections.discard(self)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Read on, and see what of a request is still missing."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """As uvicorn does; then the next request may have begun."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """No deadline is left behind."""
        self._expect(None)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP, if a response can still be said."""
        self._close_with(Refusal(400, "the request is no valid HTTP/1.1, or its head is too long", code="invalid_http"))

    def _look(self) -> None:
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._expect("body")
        elif state is h11.IDLE and self.conn.trailing_data[0]:
            self._expect("head")
        elif state is not h11.IDLE or self.cycle is not None:
            self._expect(None)

    def _expect(self, part: str | None) -> None:
        if part == self._part and part is not None:
            return
        self._part = part
        self._since = monotonic()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if part is not None:
            self._deadline = self.loop.call_later(self.seconds[part], self._overdue)

    def _overdue(self) -> None:
        sentence = "the request did not come to its end in time"
        self._close_with(Refusal(408, sentence, code="request_timeout"))

    def _close_with(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and (self.cycle is None or self._part == "head"):
            data = json_bytes(refusal.body)
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(data)).encode()),
                (b"connection", b"close"),
            ]
            events: tuple[h11.Event, ...] = (
                h11.Response(status_code=refusal.status, headers=headers),
                h11.Data(data=data),
                h11.EndOfMessage(),
            )
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
