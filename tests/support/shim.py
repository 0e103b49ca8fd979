"""A TCP relay in this process that stands for a bad link: it delays, stalls, cuts and swallows. Not a network.

Bytes are never reordered, as with real TCP; a cut closes both sides at once. Only a connection that goes dark loses
any, and then all that come.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from types import TracebackType


class Shim:
    """Relays to `port` of this host. `delay`: seconds each way. Use as `async with`; devices connect to `address`."""

    def __init__(self, port: int, delay: float = 0.0) -> None:
        self.delay = delay
        self.cuts = 0
        self.bytes_up = 0
        self._port = port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._dark: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Shim:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._flowing.set()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> str:
        """Where devices connect."""
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def cut(self) -> None:
        """Break every connection that is open now."""
        if self._writers:
            self.cuts += 1
        for writer in self._writers:
            writer.transport.abort()

    def darken(self) -> None:
        """Swallow what comes on the connections that are open now, without a word to anybody; new ones are welcome."""
        self._dark |= self._writers

    def stall(self) -> None:
        """Let nothing pass until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let bytes pass again."""
        self._flowing.set()

    async def be_hostile(self, rng: random.Random, most_cuts: int) -> None:
        """Delay, stall and cut at random until cancelled; after `most_cuts` no more cuts."""
        while True:
            await asyncio.sleep(rng.uniform(0.005, 0.06))
            self.delay = rng.choice([0.0, 0.001, 0.005, 0.02])
            match rng.choice(["nothing", "stall", "cut"]):
                case "stall":
                    self.stall()
                    await asyncio.sleep(rng.uniform(0.005, 0.05))
                    self.flow()
                case "cut" if self.cuts < most_cuts:
                    self.cut()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        for source, sink, up in ((reader, far_writer, True), (far_reader, writer, False)):
            self._writers.add(sink)
            task = asyncio.create_task(self._pump(source, sink, up=up))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool) -> None:
        loop = asyncio.get_running_loop()
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        feeder = asyncio.create_task(self._feed(source, late))
        try:
            while True:
                due, data = await late.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._flowing.wait()
                if not data:
                    break
                if sink in self._dark:
                    continue
                self.bytes_up += len(data) if up else 0
                sink.write(data)
                await sink.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            feeder.cancel()
            with suppress(asyncio.CancelledError):
                await feeder
            self._writers.discard(sink)
            self._dark.discard(sink)
            sink.close()

    async def _feed(self, source: asyncio.StreamReader, late: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        data = b"start"
        while data:
            try:
                data = await source.read(65536)
            except ConnectionError:
                data = b""
            late.put_nowait((loop.time() + self.delay, data))
