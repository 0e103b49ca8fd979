"""Two ends for tests of the emulated link, as commands: an echo, and a device that does what it reads on stdin.

`echo HOST` prints its port, then a word for each connection that ends: `end` or `broken`. `device HOST:PORT` answers
each line: `trip` with the milliseconds of a round trip, `send COUNT` with how the echo of so many bytes came back,
`knock` by sending a byte, `hear SECONDS` with what came by then, `wait` with how the connection ended, `again` by
connecting anew.
"""

from __future__ import annotations

import random
import select
import socket
import sys
import threading
import time


def echo(host: str) -> None:
    """Serve one connection after the other."""
    with socket.create_server((host, 0)) as listener:
        _say(str(listener.getsockname()[1]))
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                _say(_echo(connection))


def device(address: str) -> None:
    """Do what stdin says until it ends."""
    host, _, port = address.rpartition(":")
    link = _connect(host, int(port))
    for line in sys.stdin:
        match line.split():
            case ["trip"]:
                start = time.monotonic()
                link.sendall(b"x")
                link.recv(1)
                _say(str((time.monotonic() - start) * 1000))
            case ["send", count]:
                _say(_compare(link, random.Random(count).randbytes(int(count))))
            case ["knock"]:
                link.sendall(b"k")
                _say("knocked")
            case ["hear", seconds]:
                heard, _, _ = select.select([link], [], [], float(seconds))
                _say(link.recv(1).decode() if heard else "nothing")
            case ["wait"]:
                _say(_ending(link))
            case ["again"]:
                link.close()
                link = _connect(host, int(port))
                _say("connected")
    link.close()


def _connect(host: str, port: int) -> socket.socket:
    link = socket.create_connection((host, port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def _echo(connection: socket.socket) -> str:
    try:
        while data := connection.recv(65536):
            connection.sendall(data)
    except OSError:
        return "broken"
    return "end"


def _ending(link: socket.socket) -> str:
    try:
        return "end" if not link.recv(1) else "data"
    except OSError:
        return "broken"


def _compare(link: socket.socket, data: bytes) -> str:
    sender = threading.Thread(target=link.sendall, args=(data,))
    sender.start()
    back = bytearray()
    while len(back) < len(data):
        back += link.recv(65536)
    sender.join()
    return "whole" if back == data else "different"


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    {"echo": echo, "device": device}[sys.argv[1]](sys.argv[2])
