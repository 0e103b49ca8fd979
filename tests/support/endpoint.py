"""The device's endpoint on a free port of loopback in this process, behind it a real edge with a toy model."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import uvicorn
from openai import AsyncOpenAI

from device_client.client import Client
from device_client.endpoint.app import Endpoint
from device_client.endpoint.config import EndpointConfig
from device_client.endpoint.connections import configured
from device_client.fetching import Fetcher
from shared.vlm.port import Vlm
from tests.support.system import device, toy_draft


@dataclass(frozen=True)
class Served:
    """An endpoint that listens. `url`: without the path. `device`: what is behind it."""

    url: str
    device: Client

    def openai(self, key: str = "none") -> AsyncOpenAI:
        """The official client; it does not try again by itself."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0)


@asynccontextmanager
async def endpoint(
    address: str,
    draft: Vlm | None = None,
    fetcher: Fetcher | None = None,
    head_seconds: float = 15.0,
    spare: int = 256,
    **changes: object,
) -> AsyncIterator[Served]:
    """An endpoint whose edge is at `address`. `spare`: connections beyond those that are answered or wait."""
    config = replace(EndpointConfig(port=0), **changes)  # type: ignore[arg-type]
    async with device(address, draft or toy_draft(), reconnect_seconds=0.0) as behind:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            app = Endpoint(config, behind, fetcher=fetcher).app
            server = uvicorn.Server(
                configured(app, replace(config, drain_seconds=5), spare=spare, head_seconds=head_seconds)
            )
            serving = asyncio.create_task(server._serve([listener]))
            try:
                yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", behind)
            finally:
                server.should_exit = True
                await serving


async def raw(url: str, path: str, body: object = None, *headers: str) -> tuple[int, dict[str, str], bytes]:
    """A request without any client's help: status, headers, body. A body that is not bytes is sent as JSON."""
    host, _, port = url.removeprefix("http://").partition(":")
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    given = {"host": host, "content-type": "application/json"}
    given |= dict(line.split(": ", 1) for line in headers)
    head = "\r\n".join([f"{method} {path} HTTP/1.1", f"content-length: {len(data)}", "connection: close"])
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = "".join(f"\r\n{name}: {value}" for name, value in given.items())
    try:
        writer.write(head.encode() + lines.encode() + b"\r\n\r\n" + data)
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    top, _, rest = answer.partition(b"\r\n\r\n")
    first, *others = top.decode().split("\r\n")
    pairs = (line.partition(": ") for line in others)
    return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, rest
