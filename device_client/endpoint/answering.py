"""One request for answers, from its place in line to its last byte.

Guarantees: a client that goes away ends its answers at the edge at once; what fails before the first word is a status,
what fails after it is an event with the error, and the stream ends without [DONE].
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from device_client.answer import Answer, Piece, Result
from device_client.chat import Chat
from device_client.client import Client as Asker
from device_client.endpoint.meters import Meters
from device_client.endpoint.places import Places
from device_client.endpoint.reading import ChatRequest
from device_client.endpoint.refusals import BROKEN, Refusal, refusal_of
from device_client.endpoint.writing import DONE, Form, event
from shared.errors import CovspecError, ModelMismatch, Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desk:
    """What all requests share."""

    asker: Asker
    places: Places
    meters: Meters


class Reply:
    """The reply to one request, as an ASGI application: a status and JSON, or a stream of events."""

    def __init__(self, desk: Desk, request: ChatRequest, chat: Chat, form: Form) -> None:
        self._desk = desk
        self._request = request
        self._chat = chat
        self._form = form
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, until that is done or the client is gone."""
        answering = asyncio.create_task(self._answer(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.wait({answering, leaving})
        if not answering.cancelled():
            answering.result()

    async def _answer(self, send: Send) -> None:
        try:
            number = self._desk.places.request(self._request.choices)
            await (self._stream(number, send) if self._request.stream else self._whole(number, send))
        except* CovspecError as group:
            await self._refuse(send, refusal_of(_first(group)))
        except* Exception:
            log.exception("a request failed")
            await self._refuse(send, BROKEN)

    async def _whole(self, number: int, send: Send) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._choice(number, index, _unheard)) for index in range(self._request.choices)]
        await send_json(send, 200, self._form.whole([task.result() for task in tasks]))

    async def _stream(self, number: int, send: Send) -> None:
        async def say(chunk: Mapping[str, Any]) -> None:
            if not self._begun:
                self._begun = True
                await send(_head(200, b"text/event-stream", {"cache-control": "no-cache", "x-accel-buffering": "no"}))
            await send({"type": "http.response.body", "body": event(chunk), "more_body": True})

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._choice(number, index, say)) for index in range(self._request.choices)]
        if self._request.usage:
            await say(self._form.last([task.result() for task in tasks]))
        await send({"type": "http.response.body", "body": DONE})

    async def _choice(self, number: int, index: int, say: Callable[[Mapping[str, Any]], Awaitable[None]]) -> Result:
        desk, request, form = self._desk, self._request, self._form
        async with desk.places.place(number, index):
            try:
                question = self._chat.question(request.sampling, index, log_probabilities=request.log_probabilities)
                answer = await desk.asker.ask(question)
                told = 0
                async with aclosing(answer.pieces()) as pieces:
                    async for piece in pieces:
                        if not told:
                            await say(form.begin(index))
                        await say(_piece(form, index, piece, answer, told))
                        told += len(piece.ids)
                return await self._ended(answer, index, told, say)
            except asyncio.CancelledError:
                desk.meters.left()
                raise
            except (Unavailable, ModelMismatch):
                desk.asker.forget()  # it may come back as another
                desk.meters.failed()
                raise
            except Exception:
                desk.meters.failed()
                raise

    async def _ended(
        self, answer: Answer, index: int, told: int, say: Callable[[Mapping[str, Any]], Awaitable[None]]
    ) -> Result:
        result = answer.result
        assert result is not None
        if not told:
            await say(self._form.begin(index))
        await say(self._form.end(index, result, len(result.ids) - told))
        self._desk.meters.answered(result)
        return result

    async def _refuse(self, send: Send, refusal: Refusal) -> None:
        self._desk.meters.refused(refusal.status)
        if not self._begun:
            await send_json(send, refusal.status, refusal.body, refusal.headers)
            return
        await send({"type": "http.response.body", "body": event(refusal.body)})


async def send_json(send: Send, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
    """A whole response."""
    data = json.dumps(body, ensure_ascii=False).encode()
    await send(_head(status, b"application/json", {"content-length": str(len(data)), **(headers or {})}))
    await send({"type": "http.response.body", "body": data})


def _piece(form: Form, index: int, piece: Piece, answer: Answer, told: int) -> dict[str, Any]:
    return form.piece(index, piece.text, piece.ids, answer.log_probabilities[told : told + len(piece.ids)])


def _head(status: int, kind: bytes, headers: Mapping[str, str]) -> Message:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *pairs]}


async def _left(receive: Receive) -> None:
    """Until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unheard(_: Mapping[str, Any]) -> None:
    """A reply that is not streamed is said at its end."""


def _first(group: BaseExceptionGroup[CovspecError]) -> CovspecError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CovspecError)
    return error
