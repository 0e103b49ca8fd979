"""One request for answers, from its place in line to its last byte.

Guarantees: a client that goes away, or does not read on, ends its answers at the edge. What fails before the head of
the response is out is a status; what fails after it is an event with the error, and the stream ends without [DONE].
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from device_client.answer import Answer, Piece, Question, Result
from device_client.chat import Chat
from device_client.client import Client as Asker
from device_client.endpoint.events import Events, Unread
from device_client.endpoint.limits import in_its_words
from device_client.endpoint.meters import Meters
from device_client.endpoint.places import Places
from device_client.endpoint.presence import while_there
from device_client.endpoint.reading import ChatRequest
from device_client.endpoint.refusals import BROKEN, Misfit, Refusal, first_of, refusal_of
from device_client.endpoint.writing import Form
from shared.errors import CovspecError, InvalidValue, ModelMismatch, Unavailable, Unsupported

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, until that is done or the client is gone."""
        with suppress(ClientDisconnect):
            await while_there(receive, self._answer(Events(send)))

    async def _answer(self, events: Events) -> None:
        number = None
        try:
            number = self._desk.places.request(self._request.choices)
            await (self._stream(number, events) if self._request.stream else self._whole(number, events))
        except* CovspecError as group:
            await self._refuse(events, self._refusal(first_of(group), begun=events.begun))
        except* Unread:
            log.info("a client did not read its answer and is taken to be gone")
        except* Exception:
            log.exception("a request failed")
            await self._refuse(events, BROKEN)
        finally:
            if number is not None:
                self._desk.places.leave(number)

    async def _whole(self, number: int, events: Events) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._choice(number, index, _unheard)) for index in range(self._request.choices)]
        await events.instead(200, self._form.whole([task.result() for task in tasks]))

    async def _stream(self, number: int, events: Events) -> None:
        async with asyncio.TaskGroup() as around:
            breathing = around.create_task(events.breathe())
            try:
                async with asyncio.TaskGroup() as group:
                    indices = range(self._request.choices)
                    tasks = [group.create_task(self._choice(number, index, events.say)) for index in indices]
            finally:
                breathing.cancel()
        if self._request.usage:
            await events.say(self._form.last([task.result() for task in tasks]))
        await events.end()

    async def _choice(self, number: int, index: int, say: Callable[[Mapping[str, Any]], Awaitable[None]]) -> Result:
        desk, request, form = self._desk, self._request, self._form
        async with desk.places.place(number, index):
            try:
                question = self._chat.question(request.sampling, index, log_probabilities=request.log_probabilities)
                answer = await self._asked(question)
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

    async def _asked(self, question: Question) -> Answer:
        try:
            return await self._desk.asker.ask(question)
        except (InvalidValue, Unsupported) as misfit:  # options of this device: the request has been looked at
            log.error("this device does not fit its edge: %s", misfit)
            raise Misfit(f"this endpoint does not fit its edge: {misfit}") from None

    def _refusal(self, error: CovspecError, *, begun: bool) -> Refusal:
        """In the words of the request, and of a person who sees this endpoint alone."""
        if isinstance(error, Unavailable):
            log.warning("the edge %s is away: %s", self._desk.asker.edge, error)
            return replace(refusal_of(error), message=away(self._desk.asker.edge, begun=begun))
        param, message = in_its_words(str(error), self._request.turns)
        return replace(refusal_of(error, param), message=message)

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

    async def _refuse(self, events: Events, refusal: Refusal) -> None:
        self._desk.meters.refused(refusal.status)
        if events.begun:
            with suppress(Unread):
                await events.say(refusal.body)
                await events.end(done=False)
        else:
            await events.instead(refusal.status, refusal.body, refusal.headers)


def away(edge: str, *, begun: bool = False) -> str:
    """What a client is told of an edge that is not there."""
    if begun:
        return f"this endpoint has lost its edge {edge}: the answer is not complete"
    return f"this endpoint cannot reach its edge {edge}; it may come back"


def _piece(form: Form, index: int, piece: Piece, answer: Answer, told: int) -> dict[str, Any]:
    return form.piece(index, piece.text, piece.ids, answer.log_probabilities[told : told + len(piece.ids)])


async def _unheard(_: Mapping[str, Any]) -> None:
    """A reply that is not streamed is said at its end."""
