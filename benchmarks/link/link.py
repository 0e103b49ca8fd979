"""A link with delay, rate and loss between commands of one machine, for as long as a `with` block lasts.

Real kernel TCP between two network namespaces where the machine allows it, else a relay on loopback: `kind` says which.
The link is carried by a process of its own; nothing of it is left after the block, nor after the death of its owner.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path

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
    decode_answer,
    encode,
)
from benchmarks.link.namespaces import remove_leftovers
from benchmarks.link.profile import Profile
from shared.errors import InvalidValue, Unavailable, Unsupported

END_SECONDS = 15
_ROOT = Path(__file__).parents[2]
_CONGESTIONS = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
_log = logging.getLogger(__name__)


class Kind(StrEnum):
    """How the link is made."""

    TUN = "real TCP through TUN between network namespaces"
    RELAY = "relay between connections on loopback: no loss, no slow start"


_MODULES = {Kind.TUN: "benchmarks.link.forward", Kind.RELAY: "benchmarks.link.relay"}


class Link:
    """A link that is up. Owned by `emulated_link`; not for two threads at once."""

    def __init__(self, kind: Kind, process: subprocess.Popen[bytes]) -> None:
        self.kind = kind
        self._process = process
        match self._read():
            case Ready() as ready:
                self._ready = ready
            case Refused(reason):
                raise Unsupported(f"no {kind}: {reason}")
            case other:
                raise Unavailable(f"the link's process began with {other}")

    @property
    def edge_host(self) -> str:
        """The address that the edge binds."""
        return self._ready.edge_host

    def device_address(self, port: int) -> str:
        """HOST:PORT where a device finds this port of the edge."""
        answer = self._ask(Reach(port))
        assert isinstance(answer, Reached), answer
        return answer.address

    def device(self, argv: Sequence[str] = ()) -> list[str]:
        """The command, so that it runs at the device's end."""
        return [*self._ready.device_prefix, *argv]

    def edge(self, argv: Sequence[str] = ()) -> list[str]:
        """The command, so that it runs at the edge's end; without one, the words to put before it."""
        return [*self._ready.edge_prefix, *argv]

    def set(self, up: Profile, down: Profile | None = None) -> None:
        """Profiles from the device to the edge and back (the same if not told), in force for what is sent after this.

        Raises Unsupported for loss through a relay.
        """
        self._do(Shape(up, down or up))

    def blackhole(self, on: bool) -> None:
        """Let nothing more enter the link, without a word to either end; or let it pass again."""
        self._do(Blackhole(on))

    def cut(self) -> None:
        """Break every TCP connection across the link; both ends are told at once. New ones are welcome."""
        self._do(Cut())

    def traffic(self) -> Traffic:
        """Packets and bytes that each direction was given, IP headers included, and what it dropped."""
        answer = self._ask(Report())
        assert isinstance(answer, Traffic), answer
        return answer

    def cpu_seconds(self) -> float:
        """CPU that the link's process has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime: fields 14 and 15

    def _do(self, command: Command) -> None:
        answer = self._ask(command)
        assert isinstance(answer, Done), answer

    def _ask(self, command: Command) -> Answer:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode(command))
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:  # it died, or it was ended
            raise Unavailable("the link's process has ended") from error
        answer = self._read()
        if isinstance(answer, Refused):
            raise Unsupported(answer.reason)
        return answer

    def _read(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable("the link's process has ended; its reason is on stderr")
        return decode_answer(line)


@contextmanager
def emulated_link(
    up: Profile,
    down: Profile | None = None,
    *,
    core: int | None = None,
    congestion: str = "cubic",
    seed: int = 0,
    kind: Kind | None = None,
) -> Iterator[Link]:
    """A link with these profiles. `core`: the only one its process uses; `seed`: of the random losses.

    `kind`: what it must be; if not told, the best that this machine allows, with a warning in the log if that is a
    relay. Raises Unsupported if that kind cannot be had, InvalidValue for a congestion control that the kernel has not.
    """
    pin = () if core is None else ("--core", str(core))
    modelled = ("--congestion", _known(congestion), "--seed", str(seed))
    with ExitStack() as stack:
        try:
            link = stack.enter_context(_running(kind or Kind.TUN, *pin, *(() if kind is Kind.RELAY else modelled)))
        except Unsupported as error:
            if kind is not None:
                raise
            _log.warning("%s; using a %s", error, Kind.RELAY)
            link = stack.enter_context(_running(Kind.RELAY, *pin))
        link.set(up, down)
        yield link


def _known(congestion: str) -> str:
    known = _CONGESTIONS.read_text().split() if _CONGESTIONS.exists() else [congestion]
    if congestion not in known:
        raise InvalidValue("link congestion", congestion, f"this kernel has {', '.join(known)}")
    return congestion


@contextmanager
def _running(kind: Kind, *options: str) -> Iterator[Link]:
    command = [sys.executable, "-m", _MODULES[kind], *options]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Link(kind, process)
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()  # tells it to end
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            remove_leftovers()
        process.stdout.close()
