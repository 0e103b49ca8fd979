"""Health and reflection, which anybody may ask for without a token: both are bounded, for strangers ask too.

Guarantees: a stream of either kind ends by itself; there are at most so many at a time, and a newcomer ends the oldest,
so that whoever has a right to ask gets an answer in any crowd. `Check` holds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from shared.errors import Unavailable
from shared.wire.statuses import status_of

MOST = 64  # streams of one kind at a time
WATCH_SECONDS = 600.0  # age of a Watch, after which a watcher asks again
REFLECTION_SECONDS = 20.0  # tools ask all they want in less
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Crowd:
    """Streams of one kind: at most `most` at a time, each for at most `seconds`."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._inside: dict[asyncio.Timeout, None] = {}  # in the order of coming

    def __len__(self) -> int:
        return len(self._inside)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None, None]:
        """A place in it. Raises Unavailable when the stream is too old, or had to make room."""
        try:
            async with asyncio.timeout(self._seconds) as limit:
                while len(self._inside) >= self._most:
                    oldest = next(iter(self._inside))
                    del self._inside[oldest]
                    oldest.reschedule(asyncio.get_running_loop().time())
                self._inside[limit] = None
                try:
                    yield
                finally:
                    self._inside.pop(limit, None)
        except TimeoutError:
            raise Unavailable("this stream is old, or others ask too: ask again") from None


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpcio-health-checking has no types
    """`grpc.health.v1.Health` for services whose status is said here."""

    def __init__(self, most: int = MOST, seconds: float = WATCH_SECONDS) -> None:
        self._statuses: dict[str, int] = {}
        self._crowd = Crowd(most, seconds)
        self._changed = asyncio.Event()
        self._leaving = False

    @property
    def watching(self) -> int:
        """Watch streams that are open."""
        return len(self._crowd)

    def say(self, service: str, status: int) -> None:
        """From now on the status of `service` is this, unless the edge goes away."""
        self._statuses[service] = _NOT_SERVING if self._leaving else status
        self._changed.set()
        self._changed = asyncio.Event()

    def leave(self) -> None:
        """The edge goes away: no service is served, whatever is said from now on."""
        self._leaving = True
        for service in self._statuses:
            self.say(service, _NOT_SERVING)

    async def Check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        """The status now."""
        status = self._statuses.get(request.service)
        if status is None:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details("no such service here")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """The status now, and whenever it changes."""
        try:
            async with self._crowd.place():
                said: int | None = None
                while True:
                    changed, status = self._changed, self._statuses.get(request.service, _UNKNOWN)
                    if status != said:
                        await context.write(health_pb2.HealthCheckResponse(status=status))
                    said = status
                    await changed.wait()
        except Unavailable as refused:
            _end(context, refused)


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # grpcio-reflection has no types
    """Describes services, as grpcio-reflection does."""

    def __init__(self, services: tuple[str, ...], most: int = MOST, seconds: float = REFLECTION_SECONDS) -> None:
        super().__init__(services)
        self._crowd = Crowd(most, seconds)

    async def ServerReflectionInfo(
        self, request_iterator: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        """What tools ask for, one after the other."""
        try:
            async with self._crowd.place():
                async for response in super().ServerReflectionInfo(request_iterator, context):
                    yield response
        except Unavailable as refused:
            _end(context, refused)


def _end(context: grpc.aio.ServicerContext[Any, Any], refused: Unavailable) -> None:
    code, sentence, metadata = status_of(refused)
    context.set_code(code)
    context.set_details(sentence)
    context.set_trailing_metadata(metadata)
