"""HTTP servers on loopback that answer as they were told to, well or badly, for whoever fetches from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Web:
    """A server at `url`. `asked`: the heads of the requests so far. `open`: connections now."""

    url: str = ""
    asked: list[bytes] = field(default_factory=list)
    open: int = 0


@asynccontextmanager
async def web(answer: bytes | Callable[[bytes], bytes], drip: float | None = None) -> AsyncIterator[Web]:
    """`answer`: all bytes of the response, or what makes them of a request's head. `drip`: seconds after each byte."""
    it = Web()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        it.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            it.asked.append(head)
            data = answer if isinstance(answer, bytes) else answer(head)
            if drip is None:
                writer.write(data)
                await writer.drain()
                return
            for byte in data:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(drip)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other end has gone, or the test is over
        finally:
            it.open -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        it.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield it


def ok(data: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole response with `data`."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def moved(where: str) -> bytes:
    """A response that sends on to `where`."""
    return ok(b"", f"location: {where}", status="302 Found")
