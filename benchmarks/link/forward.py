"""The process that carries packets between two TUN devices: real kernel TCP at both ends, the model in between.

`python -m benchmarks.link.forward`, with commands on stdin (see `control`). However it ends, namespaces and devices are
gone; only SIGKILL leaves namespaces, for the next start to remove.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import random
import select
import signal
import sys
import time
from collections import deque
from contextlib import ExitStack, suppress
from typing import assert_never

from benchmarks.link import namespaces
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
from benchmarks.link.namespaces import DEVICE_HOST, EDGE_HOST, End
from benchmarks.link.profile import Profile
from benchmarks.link.queueing import Direction, Drop
from shared.errors import CovspecError, Unsupported

_PR_SET_TIMERSLACK = 29
_BURST = 64  # packets read before those that are due go out


class Lane:
    """Packets of one direction that are under way, in order."""

    def __init__(self, source: int, sink: int, direction: Direction) -> None:
        self.source, self.direction = source, direction
        self._sink = sink
        self._under_way: deque[tuple[float, bytes]] = deque()

    def take(self) -> None:
        """Read what has come."""
        for _ in range(_BURST):
            try:
                packet = os.read(self.source, namespaces.MTU)
            except OSError:  # no more, or the device is down
                return
            due = self.direction.arrive(time.monotonic(), len(packet))
            if not isinstance(due, Drop):
                self._under_way.append((due, packet))

    def deliver(self) -> float | None:
        """Write what is due; seconds until the next."""
        while self._under_way:
            left = self._under_way[0][0] - time.monotonic()
            if left > 0:
                return left
            with suppress(OSError):  # a device that is down takes none
                os.write(self._sink, self._under_way.popleft()[1])
        return None


class Forwarder:
    """Both lanes and the commands."""

    def __init__(self, device: End, edge: End, shape: Shape, seed: int) -> None:
        self._ends = (device, edge)
        self._up = Lane(device.tun, edge.tun, Direction(shape.up, random.Random(f"{seed} up")))
        self._down = Lane(edge.tun, device.tun, Direction(shape.down, random.Random(f"{seed} down")))
        self._heard = b""

    def run(self) -> None:
        """Carry until stdin ends."""
        lanes = {lane.source: lane for lane in (self._up, self._down)}
        sources = [sys.stdin.fileno(), *lanes]
        while True:
            waits = [left for lane in lanes.values() if (left := lane.deliver()) is not None]
            ready, _, _ = select.select(sources, [], [], min(waits, default=None))
            for source in ready:
                if lane := lanes.get(source):
                    lane.take()
                elif not self._listen():
                    return

    def _listen(self) -> bool:
        heard = os.read(sys.stdin.fileno(), 65536)
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            try:
                say(self._obey(decode_command(line)))
            except CovspecError as error:
                say(Refused(str(error)))
        return bool(heard)

    def _obey(self, command: Command) -> Answer:
        up, down = self._up.direction, self._down.direction
        match command:
            case Shape():
                up.profile, down.profile = command.up, command.down
            case Blackhole():
                up.dark = down.dark = command.on
            case Cut():
                for at in self._ends:
                    namespaces.cut(at)
            case Reach():
                return Reached(f"{EDGE_HOST}:{command.port}")
            case Report():
                return Traffic(up.count(), down.count())
            case _:
                assert_never(command)
        return Done()


def be_punctual() -> None:
    """Timers without slack, and the first claim on the core where that is allowed: a real link shares no processor."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    gc.disable()  # nothing here makes cycles


def end_well(*_: object) -> None:
    """Unwind, once: a second SIGTERM must not interrupt the removal."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def main() -> int:
    """Run until stdin ends or SIGTERM comes; 1 where the machine does not allow it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.link.forward", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--congestion", default="cubic", help="congestion control of both ends")
    parser.add_argument("--core", type=int, help="run on this core alone")
    parser.add_argument("--seed", type=int, default=0, help="of the random losses")
    wanted = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a keyboard interrupt is for the owner, who ends this by stdin
    signal.signal(signal.SIGTERM, end_well)
    try:
        with ExitStack() as stack:
            if wanted.core is not None:
                os.sched_setaffinity(0, {wanted.core})
            namespaces.remove_leftovers()
            device = stack.enter_context(namespaces.end("device", DEVICE_HOST, wanted.congestion))
            edge = stack.enter_context(namespaces.end("edge", EDGE_HOST, wanted.congestion))
            be_punctual()
            say(Ready(device.prefix, edge.prefix, EDGE_HOST))
            clear = Profile(delay_ms=0, mbit=1000)
            Forwarder(device, edge, Shape(clear, clear), wanted.seed).run()
    except Unsupported as error:
        say(Refused(str(error)))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
