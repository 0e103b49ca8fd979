"""The endpoint as an ASGI application: routes, the door with its key, and errors in OpenAI's form.

On starlette alone, not FastAPI: requests are checked by our own reader, whose refusals name field, value and limit in
OpenAI's form; a second validator in front of it would have to be undone.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from device_client.client import Client as Asker
from device_client.endpoint.answering import Desk, Reply, send_json
from device_client.endpoint.config import EndpointConfig
from device_client.endpoint.images import addresses, chat_of, check_images
from device_client.endpoint.meters import Meters
from device_client.endpoint.places import Places
from device_client.endpoint.reading import ChatRequest, read_request
from device_client.endpoint.refusals import BROKEN, UNAUTHORIZED, NotServed, Refusal, TooLarge, refusal_of
from device_client.endpoint.writing import Form
from device_client.pictures import file_of_uri
from shared.errors import CovspecError, InvalidValue
from shared.excerpts import excerpt
from shared.media.decoder import Decoded, Encoded, ImageDecoder
from shared.wire.handshake import ServerInfo

log = logging.getLogger(__name__)
_MIB = 2**20
_OPEN = "/health"  # needs no key: those who watch a machine have none


class Endpoint:
    """The routes over one device. `app` is the ASGI application."""

    def __init__(self, config: EndpointConfig, asker: Asker, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._asker = asker
        places = Places(config.parallel, config.max_waiting, clock)
        self._decoder = ImageDecoder(round(config.decode_mib * _MIB))
        self._desk = Desk(asker, places, Meters(places, lambda: asker.traffic))
        middleware = [Middleware(_Door, key=config.api_key, meters=self._desk.meters)]
        if config.on_loopback:  # a page in a browser here must not reach it under a name of its own (DNS rebinding)
            hosts = ["localhost", "127.0.0.1", "[::1]", "::1", config.host]
            middleware.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False))
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/v1/models/{name:path}", self._model),
                Route("/health", self._health),
                Route("/metrics", self._metrics),
            ],
            middleware=middleware,
            exception_handlers={CovspecError: self._refused, HTTPException: self._refused_by_http, Exception: _broken},
        )

    async def _chat(self, request: Request) -> Response:
        wanted = read_request(await self._body(request), self._config.max_choices)
        info = await self._info()
        if wanted.model not in (info.model, *self._config.served_model_name):
            raise NotServed(f"the model {excerpt(wanted.model)} is not served here; {excerpt(info.model)} is")
        files = await asyncio.to_thread(_files_of, wanted, allow_url=self._config.allow_url)
        check_images(files, info.limits)
        form = Form(wanted.model, self._asker.vlm.tokenizer.decode, wanted.log_probabilities)
        decoded = await self._decoder.decode(files, info.limits.max_image_pixels)
        chat = chat_of(wanted, files, decoded.images)
        return _Application(Reply(self._desk, wanted, chat, form), decoded)

    async def _models(self, _: Request) -> Response:
        info = await self._fresh()
        names = (info.model, *self._config.served_model_name)
        return JSONResponse({"object": "list", "data": [_described(name, info) for name in names]})

    async def _model(self, request: Request) -> Response:
        info, name = await self._fresh(), request.path_params["name"]
        if name not in (info.model, *self._config.served_model_name):
            raise NotServed(f"the model {excerpt(name)} is not served here; {excerpt(info.model)} is")
        return JSONResponse(_described(name, info))

    async def _health(self, _: Request) -> Response:
        """200 while the edge answers; 503 with the reason while it does not."""
        info = await self._fresh()
        places = self._desk.places
        told = {"status": "ok", "model": info.model, "running": places.running, "waiting": places.waiting}
        return JSONResponse(told)

    async def _metrics(self, _: Request) -> Response:
        return Response(self._desk.meters.text(), media_type="text/plain; version=0.0.4")

    async def _info(self) -> ServerInfo:
        return await self._asker.info()

    async def _fresh(self) -> ServerInfo:
        self._asker.forget()
        return await self._asker.info()

    async def _body(self, request: Request) -> bytes:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            rule = "must be application/json"  # what a page in a browser cannot send to us without asking first
            raise InvalidValue("content-type", request.headers.get("content-type", ""), rule)
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > self._config.max_body_mib * _MIB:
                raise TooLarge(f"the request is larger than {self._config.max_body_mib:g} MiB")
        return bytes(data)

    async def _refused(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, CovspecError)
        return self._response(refusal_of(error))

    async def _refused_by_http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = f"{request.method} {request.url.path}: {error.detail}"
        return self._response(Refusal(error.status_code, message, "invalid_request_error"))

    def _response(self, refusal: Refusal) -> Response:
        self._desk.meters.refused(refusal.status)
        return JSONResponse(refusal.body, refusal.status, refusal.headers)


class _Door:
    """Lets in who has the key."""

    def __init__(self, app: ASGIApp, key: str, meters: Meters) -> None:
        self._app = app
        self._key = key.encode()
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._key and scope["path"] != _OPEN:
            said = dict(scope["headers"]).get(b"authorization", b"")
            scheme, _, key = said.partition(b" ")
            if scheme.lower() != b"bearer" or not secrets.compare_digest(key.strip(), self._key):
                self._meters.refused(UNAUTHORIZED.status)
                await send_json(send, UNAUTHORIZED.status, UNAUTHORIZED.body, UNAUTHORIZED.headers)
                return
        await self._app(scope, receive, send)


class _Application(Response):
    """A response that an ASGI application gives, once, about `images`, which are released then."""

    def __init__(self, application: ASGIApp, images: Decoded) -> None:
        super().__init__()
        self._application: ASGIApp | None = application
        self._images = images

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application, self._application = self._application, None
        assert application is not None
        try:
            await application(scope, receive, send)
        finally:
            del application  # and with it the chat, which holds the images too
            self._images.release()


async def _broken(_: Request, error: Exception) -> Response:
    log.error("a request failed: %s", type(error).__name__)
    return JSONResponse(BROKEN.body, BROKEN.status)


def _files_of(wanted: ChatRequest, *, allow_url: bool) -> list[Encoded]:
    """The images of a request, not decoded. Raises ImageError, Unsupported."""
    return [file_of_uri(uri, allow_url=allow_url) for uri in addresses(wanted)]


def _described(name: str, info: ServerInfo) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "covspec",
        "root": info.model,
        "max_model_len": info.limits.context_length,
    }
