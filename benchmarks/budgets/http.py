"""Attacks on the endpoint: what drips or stays half said, and images of 169 million pixels."""

from __future__ import annotations

import asyncio
import base64
import io
import json

from PIL import Image

from benchmarks.budgets.attack import Tally, forever
from benchmarks.budgets.target import Target

_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"


async def drips(target: Target, tally: Tally) -> None:
    """Eight requests with the address of an image that comes a byte a second."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(1)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await forever(lambda: _ask(target, [f"http://127.0.0.1:{port}/image.png"], tally), Tally(), 8)


async def large_images_by_http(target: Target, tally: Tally) -> None:
    """One request after the other with four PNGs of 169 million pixels."""
    file = io.BytesIO()
    Image.new("L", (13_000, 13_000)).save(file, "png")
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    await forever(lambda: _ask(target, [uri] * 4, tally), Tally())


async def slow_requests_by_http(target: Target, tally: Tally) -> None:
    """Six hundred requests that say a byte a second: the half of them of their heads, the others of their bodies."""

    async def drip(begin: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.endpoint)
        writer.write(begin)
        while not reader.at_eof():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(1)
        writer.close()
        raise ConnectionResetError

    bodies = forever(lambda: drip(_HEAD + b"content-length: 60000000\r\n\r\n"), tally, 300)
    await asyncio.gather(bodies, forever(lambda: drip(_HEAD), tally, 300))


async def _ask(target: Target, addresses: list[str], tally: Tally) -> None:
    parts = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    messages = [{"role": "user", "content": [*parts, {"type": "text", "text": "What is there?"}]}]
    await _send(target, json.dumps({"max_tokens": 8, "messages": messages}).encode(), tally)


async def _send(target: Target, body: bytes, tally: Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.endpoint)
    writer.write(_HEAD)
    writer.write(f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    status = (await reader.readline()).split()
    if status[1:2] == [b"200"]:
        tally.taken += 1
    else:
        tally.refused[" ".join(map(bytes.decode, status[1:2])) or "closed"] += 1
    writer.close()
