"""The process that relays TCP connections on loopback, late and at a rate: for machines without root or TUN devices.

`python -m benchmarks.link.relay`, with commands on stdin (see `control`). Bytes arrive whole and in order. It is not a
network: each half of a connection is a connection of its own, so there is no loss, no slow start, and a blackhole
holds bytes back instead of dropping them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import assert_never

from benchmarks.link.control import (
    Answer,
    Blackhole,
    Command,
    Cut,
    Done,
    Reach,
    Reached,
    Ready,
    Refused,
    Report,
    Shape,
    Traffic,
    decode_command,
    say,
)
from benchmarks.link.profile import Profile
from benchmarks.link.queueing import Direction, Drop
from shared.errors import CovspecError, Unsupported

HOST = "127.0.0.1"
SEGMENT, HEADERS = 1448, 52  # bytes of a full TCP segment on a link with an MTU of 1500
_MOST_UNDER_WAY = 4096  # segments, where the far side does not read

_Segments = asyncio.Queue[tuple[float, bytes]]


@dataclass(frozen=True)
class Ends:
    """Where a relay listens (port 0: a free one), and the host that it relays to."""

    host: str = HOST
    port: int = 0
    far_host: str = HOST


class Relay:
    """All connections, the two directions they share, and the commands."""

    def __init__(self, shape: Shape, ends: Ends = Ends()) -> None:
        self._ends = ends
        self._up = Direction(shape.up, random.Random(0))
        self._down = Direction(shape.down, random.Random(0))
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []

    async def obey(self, command: Command) -> Answer:
        """Raises Unsupported for what a relay cannot do."""
        match command:
            case Shape():
                if command.up.loss or command.down.loss:
                    raise Unsupported(
                        "a relay on loopback loses no packets: use a profile without loss, or root and TUN"
                    )
                self._up.profile, self._down.profile = command.up, command.down
            case Blackhole():
                (self._flowing.clear if command.on else self._flowing.set)()
            case Cut():
                for writer in self._open:
                    _reset(writer)
            case Reach():
                return Reached(await self._listen(command.port))
            case Report():
                return Traffic(self._up.count(), self._down.count())
            case _:
                assert_never(command)
        return Done()

    async def _listen(self, port: int) -> str:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._connect(port, reader, writer))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        listener = await asyncio.start_server(connected, self._ends.host, self._ends.port)
        self._listeners.append(listener)
        return f"{self._ends.host}:{listener.sockets[0].getsockname()[1]}"

    async def _connect(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._ends.far_host, port)
        except OSError:
            _reset(writer)
            return
        writers = {writer, far_writer}
        self._open |= writers
        try:
            async with asyncio.TaskGroup() as group:
                for source, sink, direction in ((reader, far_writer, self._up), (far_reader, writer, self._down)):
                    segments = _Segments(_MOST_UNDER_WAY)
                    group.create_task(self._take(source, direction, segments))
                    group.create_task(self._deliver(segments, sink))
        except* ConnectionError:
            for broken in writers:
                _reset(broken)
        finally:
            self._open -= writers
            for ended in writers:
                ended.close()

    async def _take(self, source: asyncio.StreamReader, direction: Direction, segments: _Segments) -> None:
        loop = asyncio.get_running_loop()
        data = b"more"
        while data:
            data = await source.read(SEGMENT)
            await self._flowing.wait()
            over = direction.over(loop.time())
            while over > 0:  # where a router would drop, the sender is made to wait
                await asyncio.sleep(over)
                over = direction.over(loop.time())  # another connection may have taken the room
            due = direction.arrive(loop.time(), len(data) + HEADERS)
            assert not isinstance(due, Drop), "there was room, and no loss"
            await segments.put((due, data))

    async def _deliver(self, segments: _Segments, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        data = b"more"
        while data:
            due, data = await segments.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._flowing.wait()
            if data:
                sink.write(data)
                await sink.drain()
        sink.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other end is told of a broken connection, not of an end."""
    with suppress(OSError):  # closed already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def serve() -> None:
    """Obey until stdin ends."""
    clear = Profile(delay_ms=0, mbit=1000)
    relay = Relay(Shape(clear, clear))
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    say(Ready((), (), HOST))
    while line := await commands.readline():
        try:
            say(await relay.obey(decode_command(line)))
        except CovspecError as error:
            say(Refused(str(error)))


def main() -> int:
    """Run until stdin ends or SIGTERM comes."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.link.relay", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--core", type=int, help="run on this core alone")
    wanted = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a keyboard interrupt is for the owner, who ends this by stdin
    if wanted.core is not None:
        os.sched_setaffinity(0, {wanted.core})
    asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
