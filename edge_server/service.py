"""The gRPC face of an edge: bytes in, decoded messages to a `Stream`, bytes out; errors become statuses.

Messages are parsed here and not by gRPC, so that garbage gets a sentence like everything else that is refused. Who asks
how much, and for how long, is looked after here too. Each stream leaves one line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from time import monotonic
from typing import Any, TypeAlias

import grpc

from edge_server.door import Door
from edge_server.edge import Edge
from edge_server.endings import Overdue, drop_frames
from edge_server.metrics import EdgeMetrics
from edge_server.openings import Openings
from edge_server.stream import Stream
from edge_server.visit import Visit, outcome_of
from shared.errors import CovspecError, EngineFailure, Overloaded, Unavailable
from shared.logs import REQUEST
from shared.speculation.messages import Pong
from shared.wire.codec import FromDevice, FromEdge, decode_request, encode_info, encode_response, parse_request
from shared.wire.handshake import Limits, ServerInfo
from shared.wire.metadata import REQUEST_KEY, Metadata, by_key, new_request, request_of, signs_metadata
from shared.wire.statuses import status_of
from shared.wire.v1 import verify_pb2 as pb

log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
SERVICE = pb.DESCRIPTOR.services_by_name["VerifyService"].full_name

TAKEN = "stream taken"  # a line at level debug
SHUTTING_DOWN = "the edge is shutting down; try again, or another edge"
SIGN_SECONDS = 1.0  # between signs of life that nobody has asked for
_TELL_SECONDS = 0.5  # for the notice of a drain
_PARTING_SECONDS = 5.0  # for a stream that was refused to end, after which it is cut


@dataclass(frozen=True)
class House:
    """Rules of the house. `streams`: at once of one tenant. Seconds: of a stream's age and idleness; 0: no matter."""

    messages_per_second: float = 2000.0
    streams: int = 272
    stream_seconds: float = 3600.0
    idle_seconds: float = 120.0
    openings_per_second: float = 32.0  # of one connection


@dataclass(eq=False)
class _Running:
    """A stream that runs: what it is, once it is let in, and who asks."""

    visit: Visit
    stream: Stream | None = field(default=None)


class VerifyService:
    """Answers `Verify` and `GetServerInfo`, once there is an `edge` and until it drains."""

    def __init__(self, door: Door, metrics: EdgeMetrics, house: House = House()) -> None:
        self.edge: Edge | None = None  # none while the model loads
        self._door = door
        self._metrics = metrics
        self._house = house
        self._openings = Openings(house.openings_per_second)
        self._draining = False
        self._streams: dict[asyncio.Task[None], _Running] = {}

    def handler(self) -> grpc.GenericRpcHandler:
        """What a gRPC server registers."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Verify": grpc.stream_stream_rpc_method_handler(self._verify),
                "GetServerInfo": grpc.unary_unary_rpc_method_handler(
                    self._get_server_info, response_serializer=pb.GetServerInfoResponse.SerializeToString
                ),
            },
        )

    async def drain(self, seconds: float) -> None:
        """Let nobody in from now on, tell those who are in, and wait for their streams, for so long at most."""
        self._draining = True
        streams = [running.stream for running in self._streams.values() if running.stream is not None]
        telling = asyncio.gather(*(stream.warn(seconds) for stream in streams), return_exceptions=True)
        await asyncio.wait([telling], timeout=_TELL_SECONDS)  # who reads nothing is not waited for
        telling.cancel()
        await self.ended(seconds)

    async def ended(self, seconds: float | None = None) -> None:
        """Wait until the streams that run have ended, and have parted with their sessions."""
        if self._streams:
            await asyncio.wait(self._streams, timeout=seconds)

    async def _verify(self, _: AsyncIterator[bytes], context: Context) -> None:
        task = asyncio.current_task()
        assert task is not None
        named = request_of(by_key(context.invocation_metadata()))
        request = named or new_request()
        REQUEST.set(request)
        running = self._streams[task] = _Running(Visit(request, self._house.messages_per_second))
        task.add_done_callback(self._streams.pop)
        refusal: CovspecError | None = None
        try:
            await self._serve(running, context)
        except CovspecError as refused:
            refusal = refused
        except Exception as broken:
            log.exception("a stream failed")
            refusal = EngineFailure(f"the edge failed: {type(broken).__name__}")
        finally:
            outcome = outcome_of(running.visit, refusal)
            log.info("stream over", extra=running.visit.told(outcome))
            self._metrics.over(running.visit, refusal)
        if refusal is not None:
            _answer(context, refusal, () if named else ((REQUEST_KEY, request),))

    async def _serve(self, running: _Running, context: Context) -> None:
        visit = running.visit
        visit.tenant = self._door.admit(context)
        self._openings.take(visit.tenant, context.peer(), monotonic())
        await context.send_initial_metadata(signs_metadata(SIGN_SECONDS))  # at once: somebody is there
        log.debug(TAKEN)
        edge = self._admit()
        self._check_streams(visit.tenant)
        turn = asyncio.Lock()  # gRPC takes one message after the other; signs of life come beside the answer

        async def send(message: FromEdge) -> None:
            data = encode_response(message).SerializeToString()
            async with turn:
                await context.write(data)
            self._metrics.went_down(len(data))
            visit.said(message, len(data))

        async with aclosing(self._decoded(context, edge.limits, visit)) as messages:
            stream = running.stream = Stream(edge, messages, send, visit.tenant)
            watching = asyncio.create_task(self._watch(stream, visit, asyncio.current_task()))
            signing = asyncio.create_task(_give_signs(send, visit))
            try:
                await stream.run()
            finally:
                watching.cancel()
                signing.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(watching, signing, return_exceptions=True)

    async def _watch(self, stream: Stream, visit: Visit, task: asyncio.Task[None] | None) -> None:
        """End a stream that is too old, or whose device owes a word for too long."""
        house = self._house
        while True:
            old = house.stream_seconds - visit.seconds if house.stream_seconds else float("inf")
            idle = house.idle_seconds - (visit.idle_seconds if stream.waits else 0) if house.idle_seconds else old
            if old <= 0 or idle <= 0:
                break
            await asyncio.sleep(min(old, idle, 3600.0))
        if old <= 0:
            await stream.refuse(Overdue(f"the stream is older than {house.stream_seconds:g} s: resume the answer"))
        else:
            await stream.refuse(Overdue(f"the device has said nothing for {house.idle_seconds:g} s: resume the answer"))
        await asyncio.sleep(_PARTING_SECONDS)
        if task is not None:
            task.cancel()  # it hangs in a write that nobody reads

    def _check_streams(self, tenant: str) -> None:
        """Refuse one stream more than could ever be of use. Raises Overloaded."""
        if sum(one.visit.tenant == tenant for one in self._streams.values()) > self._house.streams:
            raise Overloaded(f"this tenant has {self._house.streams} streams here, the most that one may have")

    async def _get_server_info(
        self, _: bytes, context: grpc.aio.ServicerContext[bytes, pb.GetServerInfoResponse]
    ) -> pb.GetServerInfoResponse:
        try:
            self._openings.take(self._door.admit(context), context.peer(), monotonic())
            return encode_info(_info(self._admit()))
        except CovspecError as refusal:
            _answer(context, refusal)
            return pb.GetServerInfoResponse()

    async def _decoded(self, context: Context, limits: Limits, visit: Visit) -> AsyncGenerator[FromDevice, None]:
        # Until EOF, which is no bytes. gRPC's iterator would hold the last message.
        while isinstance(data := await context.read(), bytes):
            self._metrics.went_up(len(data))
            message = decode_request(parse_request(data), limits)
            visit.heard(message, len(data))
            del data
            yield message
            del message

    def _admit(self) -> Edge:
        if self._draining:
            raise Unavailable(SHUTTING_DOWN)
        if self.edge is None:
            raise Unavailable("the edge is loading its model; try again in a moment")
        return self.edge


def _answer(context: grpc.aio.ServicerContext[Any, Any], refusal: CovspecError, metadata: Metadata = ()) -> None:
    """End a call with `refusal`. `context.abort` would do it by an exception that keeps the call, which keeps it."""
    code, sentence, told = status_of(refusal)
    log.debug("refused: %s", sentence)
    drop_frames(refusal)
    context.set_code(code)
    context.set_details(sentence)
    context.set_trailing_metadata((*told, *metadata))


def _info(edge: Edge) -> ServerInfo:
    """What this edge serves."""
    model = edge.engine.info
    return ServerInfo(
        model=model.name,
        family=model.family,
        fingerprint=edge.engine.fingerprint,
        vocabulary=model.prints.vocabulary,
        special_tokens=model.prints.special_tokens,
        chat_template=model.prints.chat_template,
        image_processor=model.prints.image_processor,
        limits=edge.limits,
        paces=edge.engine.paces,
        rules=edge.engine.rules,
        version=version("covspec"),
        lossy=edge.lossy,
        trees=edge.engine.trees,
        attends=edge.attends,
    )


async def _give_signs(send: Callable[[FromEdge], Awaitable[None]], visit: Visit) -> None:
    """Say unasked that the edge lives until it has opened the answer: what a device asks may wait behind pictures."""
    while True:
        await asyncio.sleep(SIGN_SECONDS)
        if visit.opened is not None:
            return
        await send(Pong())
