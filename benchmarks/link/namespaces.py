"""Two network namespaces of this process, with loopback and one TUN device each; removed with all they hold.

Their names carry the process and its start, so that runs do not collide and what a killed run left is recognised.
Needs root and iproute2. The addresses are the same in every run: namespaces do not see each other.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Unsupported

NETWORK, PREFIX_BITS = "10.77.0.0", 24
DEVICE_HOST, EDGE_HOST = "10.77.0.1", "10.77.0.2"
MTU = 1500
_SEND_QUEUE = 5000  # packets that may wait for the forwarder: drops are the model's alone
_TUN, _TUNSETIFF, _IFF_TUN_WITHOUT_HEADER = Path("/dev/net/tun"), 0x400454CA, 0x0001 | 0x1000
_NAME = re.compile(r"covspec-(\d+)-(\d+)-(?:device|edge)")
_SETTINGS = {
    "net/ipv6/conf/all/disable_ipv6": "1",  # router solicitations are no traffic of ours
    "net/ipv6/conf/default/disable_ipv6": "1",
    "net/ipv4/tcp_no_metrics_save": "1",  # each connection starts cold, whatever the last one learned
}


@dataclass(frozen=True)
class End:
    """One end of the link: its namespace, and the descriptor through which its packets come and go."""

    namespace: str
    tun: int

    @property
    def prefix(self) -> tuple[str, ...]:
        """A command behind these words runs at this end."""
        return ("ip", "netns", "exec", self.namespace)


@contextmanager
def end(role: str, host: str, congestion: str) -> Iterator[End]:
    """The `device` or `edge` end. Raises Unsupported where the machine does not allow it."""
    name = f"covspec-{os.getpid()}-{_start_of(os.getpid())}-{role}"
    tun = -1
    try:
        _ip("netns", "add", name)
        _settle(name)
        tun, interface = _open_tun()
        _ip("link", "set", interface, "netns", name)
        _in(name, "link", "set", "lo", "up")
        _in(name, "address", "add", f"{host}/{PREFIX_BITS}", "dev", interface)
        _in(name, "link", "set", interface, "mtu", str(MTU), "txqueuelen", str(_SEND_QUEUE), "up")
        # The kernel's own route once more, with a congestion control: the setting itself is not writable everywhere.
        own = ("dev", interface, "proto", "kernel", "scope", "link", "src", host)
        _in(name, "route", "replace", f"{NETWORK}/{PREFIX_BITS}", *own, "congctl", congestion)
        yield End(name, tun)
    finally:
        if tun >= 0:
            os.close(tun)
        remove(name)


def cut(at: End) -> None:
    """Break the TCP connections that are open across the link, at this end."""
    command = [*at.prefix, "ss", "-K", "--tcp", "--no-header", "dst", f"{NETWORK}/{PREFIX_BITS}"]
    _run(command)


def remove(name: str) -> None:
    """End what still runs in the namespace and take its name away; nothing happens if there is none."""
    if not (Path("/run/netns") / name).exists():
        return
    inside = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    for process in inside.stdout.split():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(int(process), signal.SIGTERM)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def remove_leftovers() -> list[str]:
    """Remove the namespaces of processes that are gone; their names."""
    try:
        names = os.listdir("/run/netns")
    except FileNotFoundError:
        return []
    gone = [name for name in names if (found := _NAME.fullmatch(name)) and _start_of(int(found[1])) != int(found[2])]
    for name in gone:
        remove(name)
    return gone


def _in(name: str, *words: str) -> None:
    _ip("-n", name, *words)


def _settle(name: str) -> None:
    script = "; ".join(
        f"[ ! -e /proc/sys/{key} ] || echo {value} > /proc/sys/{key}" for key, value in _SETTINGS.items()
    )
    _run(["ip", "netns", "exec", name, "sh", "-e", "-c", script])


def _open_tun() -> tuple[int, str]:
    """A TUN device with a name that the kernel chooses: its descriptor, which never blocks, and its name."""
    try:
        descriptor = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unsupported(f"no TUN devices here: {error}") from error
    try:
        request = struct.pack("16sH22x", b"covspec%d", _IFF_TUN_WITHOUT_HEADER)
        answer = fcntl.ioctl(descriptor, _TUNSETIFF, request)
    except OSError as error:
        os.close(descriptor)
        raise Unsupported(f"no TUN devices here: {error}") from error
    return descriptor, answer[:16].rstrip(b"\0").decode()


def _ip(*words: str) -> None:
    _run(["ip", *words])


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise Unsupported(f"{command[0]!r} is not installed (Debian has it in iproute2)") from error
    except subprocess.CalledProcessError as error:
        raise Unsupported(f"{' '.join(command)!r} failed: {error.stderr.strip()}") from error


def _start_of(process: int) -> int | None:
    """When a process started, in ticks since boot; None if there is none. With its number it names it for good."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])  # field 22; the command before it may hold blanks
