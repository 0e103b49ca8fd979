"""The gRPC face of an edge: bytes in, decoded messages to a `Stream`, bytes out; errors become statuses.

Messages are parsed here and not by gRPC, so that garbage gets a sentence like everything else that is refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from importlib.metadata import version

import grpc

from edge_server.door import Door
from edge_server.stream import Edge, Stream
from shared.errors import CovspecError, EngineFailure, Unavailable
from shared.wire.codec import FromDevice, FromEdge, decode_request, encode_info, encode_response, parse_request
from shared.wire.handshake import Limits, ServerInfo
from shared.wire.statuses import status_of
from shared.wire.v1 import verify_pb2 as pb

log = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["VerifyService"].full_name


SHUTTING_DOWN = "the edge is shutting down; try again, or another edge"


class VerifyService:
    """Answers `Verify` and `GetServerInfo`, once there is an `edge` and until it drains."""

    def __init__(self, door: Door) -> None:
        self.edge: Edge | None = None  # none while the model loads
        self._door = door
        self._draining = False
        self._streams: set[asyncio.Task[None]] = set()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a gRPC server registers."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Verify": grpc.stream_stream_rpc_method_handler(
                    self._verify, response_serializer=pb.VerifyResponse.SerializeToString
                ),
                "GetServerInfo": grpc.unary_unary_rpc_method_handler(
                    self._get_server_info, response_serializer=pb.GetServerInfoResponse.SerializeToString
                ),
            },
        )

    async def drain(self, seconds: float) -> None:
        """Let nobody in from now on, and wait for the streams that run, for so long at most."""
        self._draining = True
        await self.ended(seconds)

    async def ended(self, seconds: float | None = None) -> None:
        """Wait until the streams that run have ended, and have parted with their sessions."""
        if self._streams:
            await asyncio.wait(self._streams, timeout=seconds)

    async def _verify(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, pb.VerifyResponse]
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)

        turn = asyncio.Lock()  # gRPC takes one message after the other; signs of life come beside the answer

        async def send(message: FromEdge) -> None:
            async with turn:
                await context.write(encode_response(message))

        try:
            tenant = self._door.admit(context)
            await context.send_initial_metadata(())  # at once: by this a device knows that somebody is there
            edge = self._admit()
            async with aclosing(_decoded(requests, edge.limits)) as messages:
                await Stream(edge, messages, send, tenant).run()
        except CovspecError as refusal:
            await context.abort(*status_of(refusal))
        except Exception as broken:
            log.exception("a stream failed")
            await context.abort(*status_of(EngineFailure(f"the edge failed: {type(broken).__name__}")))

    async def _get_server_info(
        self, _: bytes, context: grpc.aio.ServicerContext[bytes, pb.GetServerInfoResponse]
    ) -> pb.GetServerInfoResponse:
        try:
            self._door.admit(context)
            return encode_info(_info(self._admit()))
        except CovspecError as refusal:
            return await context.abort(*status_of(refusal))

    def _admit(self) -> Edge:
        if self._draining:
            raise Unavailable(SHUTTING_DOWN)
        if self.edge is None:
            raise Unavailable("the edge is loading its model; try again in a moment")
        return self.edge


def _info(edge: Edge) -> ServerInfo:
    """What this edge serves."""
    model = edge.engine.info
    return ServerInfo(
        model=model.name,
        family=model.family,
        vocabulary=model.prints.vocabulary,
        special_tokens=model.prints.special_tokens,
        chat_template=model.prints.chat_template,
        image_processor=model.prints.image_processor,
        limits=edge.limits,
        paces=edge.engine.paces,
        rules=edge.engine.rules,
        version=version("covspec"),
        lossy=edge.lossy,
    )


async def _decoded(requests: AsyncIterator[bytes], limits: Limits) -> AsyncGenerator[FromDevice, None]:
    async for data in requests:
        yield decode_request(parse_request(data), limits)
