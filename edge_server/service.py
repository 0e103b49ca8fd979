"""The gRPC face of an edge: bytes in, decoded messages to a `Stream`, bytes out; errors become statuses.

Messages are parsed here and not by gRPC, so that garbage gets a sentence like everything else that is refused.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from importlib.metadata import version

import grpc

from edge_server.stream import Edge, Stream
from shared.errors import CovspecError, EngineFailure, Unavailable
from shared.wire.codec import FromDevice, FromEdge, decode_request, encode_info, encode_response, parse_request
from shared.wire.handshake import Rule, ServerInfo
from shared.wire.statuses import status_of
from shared.wire.v1 import verify_pb2 as pb

log = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["VerifyService"].full_name


class VerifyService:
    """Answers `Verify` and `GetServerInfo`. `draining`: no new stream is let in."""

    def __init__(self, edge: Edge) -> None:
        self.draining = False
        self._edge = edge

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

    async def _verify(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, pb.VerifyResponse]
    ) -> None:
        async def send(message: FromEdge) -> None:
            await context.write(encode_response(message))

        try:
            self._admit()
            await Stream(self._edge, self._decoded(requests), send).run()
        except CovspecError as refusal:
            await context.abort(*status_of(refusal))
        except Exception as broken:
            log.exception("a stream failed")
            await context.abort(*status_of(EngineFailure(f"the edge failed: {type(broken).__name__}")))

    async def _get_server_info(
        self, _: bytes, context: grpc.aio.ServicerContext[bytes, pb.GetServerInfoResponse]
    ) -> pb.GetServerInfoResponse:
        try:
            self._admit()
            return encode_info(self.info())
        except CovspecError as refusal:
            return await context.abort(*status_of(refusal))

    def info(self) -> ServerInfo:
        """What this edge serves. Raises Unavailable while the model loads."""
        model = self._edge.engine.info
        return ServerInfo(
            model=model.name,
            family=model.family,
            vocabulary=model.prints.vocabulary,
            special_tokens=model.prints.special_tokens,
            chat_template=model.prints.chat_template,
            limits=self._edge.limits,
            paces=self._edge.engine.paces,
            rules=(Rule.COUPLED,),
            version=version("covspec"),
        )

    def _admit(self) -> None:
        if self.draining:
            raise Unavailable("the edge is shutting down; try again, or another edge")

    async def _decoded(self, requests: AsyncIterator[bytes]) -> AsyncIterator[FromDevice]:
        async for data in requests:
            yield decode_request(parse_request(data), self._edge.limits)
