"""Attacks on the endpoint: addresses that drip, and images of 169 million pixels."""

from __future__ import annotations

import asyncio
import base64
import io
import json

from PIL import Image

from benchmarks.budgets.attack import Tally, forever
from benchmarks.budgets.target import Target


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


async def _ask(target: Target, addresses: list[str], tally: Tally) -> None:
    parts = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    messages = [{"role": "user", "content": [*parts, {"type": "text", "text": "What is there?"}]}]
    body = json.dumps({"model": "target", "max_tokens": 8, "messages": messages}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", target.endpoint)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n")
    writer.write(f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    status = (await reader.readline()).split()
    if status[1:2] == [b"200"]:
        tally.taken += 1
    else:
        tally.refused[" ".join(map(bytes.decode, status[1:2])) or "closed"] += 1
    writer.close()
