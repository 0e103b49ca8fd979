"""The two ends that measure a link: `far` answers, `near` asks. Plain blocking sockets, nothing else in between.

`python -m benchmarks.link.probe far HOST` prints its port; `near WHAT HOST:PORT SECONDS` prints its finding as JSON.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import statistics
import struct
import sys
import threading
import time
from contextlib import suppress

PING, UP, DOWN = b"p", b"u", b"d"
DATAGRAM = b"x" * 100
DATAGRAM_SECONDS = 0.002  # between two datagrams: 0.5 Mbit/s with headers
_BLOCK = b"x" * 65536


def far(host: str) -> None:
    """Serve pings, uploads, downloads and datagrams until ended."""
    listener = socket.create_server((host, 0))
    port = listener.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((host, port))
    threading.Thread(target=_echo_datagrams, args=(datagrams,), daemon=True).start()
    _say(str(port))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def round_trips(connection: socket.socket, seconds: float) -> list[float]:
    """Milliseconds at the median and at the 90th percentile, one byte each way."""
    connection.sendall(PING)
    connection.recv(1)  # the first may carry the handshake's last leg
    found: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(found) < 10:
        start = time.perf_counter()
        connection.sendall(b"x")
        connection.recv(1)
        found.append((time.perf_counter() - start) * 1000)
    return [statistics.median(found), statistics.quantiles(found, n=10)[-1]]


def upload(connection: socket.socket, seconds: float) -> list[float]:
    """Mbit/s of payload as the far end saw them arrive."""
    connection.sendall(UP + struct.pack("!d", seconds))
    while True:
        readable, _, _ = select.select([connection], [connection], [])
        if readable:
            return list(struct.unpack("!d", connection.recv(8)))
        connection.send(_BLOCK)


def download(connection: socket.socket, seconds: float) -> list[float]:
    """Mbit/s of payload as they arrive."""
    connection.sendall(DOWN)
    return [_rate(connection, seconds)]


def datagrams_lost(address: tuple[str, int], seconds: float) -> list[float]:
    """Share of datagrams that did not come back."""
    sent = back = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(address)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            link.send(DATAGRAM)
            sent += 1
            time.sleep(DATAGRAM_SECONDS)
            back += _waiting(link)
        time.sleep(1)  # for the last ones
        back += _waiting(link)
    return [1 - back / sent]


def _waiting(link: socket.socket) -> int:
    count = 0
    with suppress(BlockingIOError):
        while link.recv(2048, socket.MSG_DONTWAIT):
            count += 1
    return count


def _rate(connection: socket.socket, seconds: float) -> float:
    """Mbit/s of what comes, without the first third: slow start is not the rate of a link."""
    begin = time.monotonic()
    while time.monotonic() < begin + seconds / 3:
        connection.recv(65536)
    counted, since = 0, time.monotonic()
    while time.monotonic() < begin + seconds:
        counted += len(connection.recv(65536))
    return counted * 8 / (time.monotonic() - since) / 1e6


def _answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, suppress(ConnectionError):
        match connection.recv(1):
            case b"p":
                connection.sendall(b"x")
                while ping := connection.recv(1):
                    connection.sendall(ping)
            case b"u":
                (seconds,) = struct.unpack("!d", connection.recv(8, socket.MSG_WAITALL))
                connection.sendall(struct.pack("!d", _rate(connection, seconds)))
                while connection.recv(65536):
                    pass
            case b"d":
                while True:
                    connection.sendall(_BLOCK)


def _echo_datagrams(datagrams: socket.socket) -> None:
    while True:
        data, sender = datagrams.recvfrom(2048)
        datagrams.sendto(data, sender)


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


def main() -> int:
    """One end."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.link.probe", description=(__doc__ or "").splitlines()[0]
    )
    ends = parser.add_subparsers(dest="end", required=True)
    ends.add_parser("far").add_argument("host")
    asking = ends.add_parser("near")
    asking.add_argument("what", choices=("rtt", "up", "down", "loss"))
    asking.add_argument("address")
    asking.add_argument("seconds", type=float)
    wanted = parser.parse_args()
    if wanted.end == "far":
        far(wanted.host)
    host, _, port = wanted.address.rpartition(":")
    if wanted.what == "loss":
        _say(json.dumps(datagrams_lost((host, int(port)), wanted.seconds)))
        return 0
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # do not drain at the end
        measure = {"rtt": round_trips, "up": upload, "down": download}[wanted.what]
        _say(json.dumps(measure(connection, wanted.seconds)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
