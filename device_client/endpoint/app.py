"""The endpoint as an ASGI application: routes, and errors in OpenAI's form.

On starlette alone, not FastAPI: requests are checked by our own reader, whose refusals name field, value and limit in
OpenAI's form; a second validator in front of it would have to be undone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from device_client.chat import Chat
from device_client.client import Client as Asker
from device_client.endpoint.answering import Desk, Reply, away
from device_client.endpoint.config import EndpointConfig
from device_client.endpoint.door import Door
from device_client.endpoint.images import ImageFiles, chat_of
from device_client.endpoint.intake import MIB, Intake
from device_client.endpoint.limits import check_limits
from device_client.endpoint.meters import Meters
from device_client.endpoint.places import Places
from device_client.endpoint.presence import while_there
from device_client.endpoint.reading import ChatRequest
from device_client.endpoint.refusals import BROKEN, NotServed, Refusal, refusal_of
from device_client.endpoint.writing import Form, JsonResponse
from device_client.fetching import Fetcher
from shared.errors import CovspecError, Unavailable
from shared.excerpts import excerpt, shortened
from shared.media.decoder import ImageDecoder
from shared.wire.handshake import Limits, ServerInfo

log = logging.getLogger(__name__)

_CHAT, _MODELS, _HEALTH, _METRICS = "/v1/chat/completions", "/v1/models", "/health", "/metrics"
_THERE_IS = f"there is POST {_CHAT}, GET {_MODELS}, GET {_HEALTH} and GET {_METRICS}"


class Endpoint:
    """The routes over one device. `app` is the ASGI application."""

    def __init__(
        self,
        config: EndpointConfig,
        asker: Asker,
        clock: Callable[[], float] = time.monotonic,
        fetcher: Fetcher | None = None,
    ) -> None:
        """`fetcher`: of pictures at addresses, if any may be fetched; otherwise one of its own."""
        self._config = config
        self._asker = asker
        self._most_choices = min(config.max_choices, config.parallel + config.max_waiting)
        places = Places(config.parallel, config.max_waiting, clock)
        self._desk = Desk(asker, places, Meters(places, lambda: asker.traffic))
        self._intake = Intake(round(config.max_body_mib * MIB), config.request_seconds)
        self._decoder = ImageDecoder(round(config.decode_mib * MIB))
        self._files = ImageFiles(self._intake, (fetcher or Fetcher()) if config.allow_url else None)
        self.app = Starlette(
            routes=[
                Route(_CHAT, self._chat, methods=["POST"]),
                Route(f"{_CHAT}/", self._chat, methods=["POST"]),
                Route(_MODELS, self._models),
                Route(f"{_MODELS}/", self._models),
                Route(f"{_MODELS}/{{name:path}}", self._model),
                Route(_HEALTH, self._health),
                Route(_METRICS, self._metrics),
            ],
            middleware=[Middleware(Door, config=config, meters=self._desk.meters)],
            exception_handlers={
                CovspecError: self._refused,
                HTTPException: self._refused_by_http,
                ClientDisconnect: _gone,
                Exception: _broken,
            },
        )
        self.app.router.redirect_slashes = False  # a proxy in front would be led to plain http

    async def _chat(self, request: Request) -> Response:
        with ExitStack() as held:
            take = held.enter_context(self._intake.budget.share())
            wanted = await self._intake.read(request, self._most_choices, take)
            info = await self._asker.info()
            model = info.model if wanted.model is None else self._served(wanted.model, info)
            check_limits(wanted, info.limits)
            self._desk.places.check(wanted.choices)  # who will not fit is told before pictures are read
            seeing = self._seen(wanted, info.limits, take, held)
            chat = await while_there(request.receive, seeing)
            form = Form(model, self._asker.vlm.tokenizer.decode, wanted.log_probabilities)
            return _Application(Reply(self._desk, wanted, chat, form), held.pop_all())

    async def _seen(self, wanted: ChatRequest, limits: Limits, take: Callable[[int], None], held: ExitStack) -> Chat:
        """The chat with its images decoded, which `held` lets go of."""
        files = await self._files.read(wanted, limits, take)
        images = await self._decoder.decode(files, limits.max_image_pixels)
        held.callback(images.release)
        return chat_of(wanted, files, images.images)

    async def _models(self, _: Request) -> Response:
        info = await self._fresh()
        return JsonResponse({"object": "list", "data": [_described(name, info) for name in self._names(info)]})

    async def _model(self, request: Request) -> Response:
        info = await self._fresh()
        return JsonResponse(_described(self._served(request.path_params["name"], info), info))

    async def _health(self, _: Request) -> Response:
        """200 while the edge answers; 503 with the reason while it does not."""
        info = await self._fresh()
        places = self._desk.places
        told = {"status": "ok", "model": info.model, "running": places.running, "waiting": places.waiting}
        return JsonResponse(told)

    async def _metrics(self, _: Request) -> Response:
        return Response(self._desk.meters.text(), media_type="text/plain; version=0.0.4")

    def _names(self, info: ServerInfo) -> tuple[str, ...]:
        return (info.model, *self._config.served_model_name)

    def _served(self, name: str, info: ServerInfo) -> str:
        names = self._names(info)
        if name not in names:
            raise NotServed(f"the model {excerpt(name)} is not served here; there is {', '.join(names)}")
        return name

    async def _fresh(self) -> ServerInfo:
        self._asker.forget()
        return await self._asker.info()

    async def _refused(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, CovspecError)
        refusal = refusal_of(error)
        if isinstance(error, Unavailable):
            log.warning("the edge %s is away: %s", self._asker.edge, error)
            refusal = replace(refusal, message=away(self._asker.edge))
        return self._response(refusal)

    async def _refused_by_http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        where, headers = f"{request.method} {shortened(request.scope['path'])}", dict(error.headers or {})
        allowed = headers.get("allow") or headers.get("Allow", "")
        if error.status_code == 405 and request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": f"{allowed}, OPTIONS"})
        message = f"{where} is not here: {_THERE_IS}"
        if error.status_code == 405:
            message = f"{where} is not here: it takes {allowed}"
        return self._response(Refusal(error.status_code, message), headers)

    def _response(self, refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
        self._desk.meters.refused(refusal.status)
        return JsonResponse(refusal.body, refusal.status, {**(headers or {}), **refusal.headers})


class _Application(Response):
    """A response that an ASGI application gives, once; then what is `held` for it is let go."""

    def __init__(self, application: ASGIApp, held: ExitStack) -> None:
        super().__init__()
        self._application: ASGIApp | None = application
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application, self._application = self._application, None
        assert application is not None
        with self._held:
            try:
                await application(scope, receive, send)
            finally:
                del application  # and with it the chat, which holds the images too


async def _gone(_: Request, __: Exception) -> Response:
    """Nobody reads it: the client is gone."""
    return Response(status_code=400)


async def _broken(_: Request, error: Exception) -> Response:
    log.error("a request failed: %s", type(error).__name__)
    return JsonResponse(BROKEN.body, BROKEN.status)


def _described(name: str, info: ServerInfo) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "covspec",
        "root": info.model,
        "max_model_len": info.limits.context_length,
    }
