"""An edge that says what it was told to say, for a device that must not break with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any, TypeAlias

import grpc

from edge_server.service import SERVICE
from shared.errors import CovspecError
from shared.speculation.messages import Pace, Ping, Pong, Rule
from shared.speculation.request import SamplingParameters
from shared.wire.codec import FromDevice, FromEdge, decode_request, encode_info, encode_response, parse_request
from shared.wire.handshake import Limits, Opened, ServerInfo
from shared.wire.statuses import status_of
from tests.support.system import (
    toy_target,
)

PARAMETERS = SamplingParameters(max_tokens=20)
OPENED = Opened(b"s" * 16, b"t" * 16, PARAMETERS, 5, 0, 256, (1,), 16, Pace.EAGER, 60, b"f" * 16)


Script: TypeAlias = Iterable[FromEdge | bytes | CovspecError]


class HostileEdge:
    """An edge that says on every stream what it was told to say. Use as `async with`.

    `script`: all of it, or what it says to a stream's first message; an error in it ends the stream with its status.
    `reply`: what it goes on to say to each word of the device, a sign of life when it is asked for one; without, the
    stream ends with the script.
    """

    def __init__(
        self,
        script: Script | Callable[[FromDevice], Script],
        reply: Callable[[FromDevice], Iterable[FromEdge]] | None = None,
    ) -> None:
        self.port = 0
        self.streams = 0
        self.script = script if callable(script) else list(script)  # of streams to come
        self._reply = reply
        self._server = grpc.aio.server()

    async def __aenter__(self) -> HostileEdge:
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Verify": grpc.stream_stream_rpc_method_handler(self._verify),
            "GetServerInfo": grpc.unary_unary_rpc_method_handler(self._info),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    async def _verify(self, requests: AsyncIterator[bytes], context: Any) -> None:
        self.streams += 1
        first = decode_request(parse_request(await anext(aiter(requests))), Limits())
        for message in self.script(first) if callable(self.script) else self.script:
            if isinstance(message, CovspecError):
                await context.abort(*status_of(message))
                return
            await context.write(message if isinstance(message, bytes) else encode_response(message).SerializeToString())
        if self._reply is not None:
            async for data in requests:
                word = decode_request(parse_request(data), Limits())
                for message in [Pong()] if isinstance(word, Ping) else self._reply(word):
                    await context.write(encode_response(message).SerializeToString())

    async def _info(self, _: bytes, __: Any) -> bytes:
        info = toy_target().info
        vocabulary, fingerprint = info.prints.vocabulary, OPENED.fingerprint
        said = ServerInfo("hostile", "toy", fingerprint, vocabulary, b"s" * 32, b"c" * 32, Limits(), (), (), "0")
        return encode_info(replace(said, paces=(Pace.EAGER,), rules=(Rule.COUPLED,))).SerializeToString()
