"""`device-client serve`: runs the endpoint until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn
import uvloop

from device_client.access import Access
from device_client.api import load_draft
from device_client.client import Client as Asker
from device_client.config import DeviceConfig
from device_client.endpoint.app import Endpoint
from device_client.endpoint.config import EndpointConfig
from device_client.endpoint.connections import configured
from device_client.trace.trace_file import Traces
from shared import logs
from shared.demo.pair import HINT
from shared.errors import CovspecError, InvalidValue, Unavailable
from shared.media.quiet import quiet_decoders
from shared.vlm.port import Vlm
from shared.vlm.threads import pin_process, resolve_threads

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals to us: a first one drains, a second one ends at once."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install none."""
        yield


def serve_on(config: DeviceConfig, endpoint: EndpointConfig) -> int:
    """Load the draft and serve; the exit code. Raises InvalidValue, ModelError, Unavailable."""
    if config.fallback == "local":
        raise InvalidValue("fallback", config.fallback, "the endpoint answers with the target or not at all")
    logs.set_up(endpoint.log_level, config.log_format, "device-client: ")
    quiet_decoders()
    for library in ("httpx", "httpx2", "httpcore2", "asyncio", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
    Access.of(config)  # its files, and the port, before minutes go into the draft
    with _listening(endpoint):
        pass
    if config.draft == "demo":
        log.info("%s", HINT)
    log.info("loading the draft %s", config.draft)
    config = replace(config, threads=resolve_threads(config.threads, config.draft))
    pin_process(config.threads)
    traces = None if endpoint.trace is None else Traces(endpoint.trace)
    uvloop.run(serve(config, endpoint, load_draft(config), traces))
    return 0


async def serve(config: DeviceConfig, endpoint: EndpointConfig, draft: Vlm, traces: Traces | None = None) -> None:
    """Serve until told to stop. Raises Unavailable if the port is taken."""
    with _listening(endpoint) as listener:
        async with Asker(config, draft, traces) as asker:
            server = _Server(configured(Endpoint(endpoint, asker).app, endpoint))
            _obey(server)
            await _tell(config, endpoint, asker, listener)
            await server.serve(sockets=[listener])
    log.info("stopped")


def _reason(failed: OSError) -> str:
    """Why nothing can be listened to; the library's own text repeats the address."""
    match failed.errno:
        case _ if isinstance(failed, socket.gaierror):
            return "no machine of this name is known (--host)"
        case errno.EADDRINUSE:
            return "it is taken; is another server there?"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address (--host)"
        case number:
            return os.strerror(number or 0)


@contextmanager
def _listening(endpoint: EndpointConfig) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        listener = socket.create_server((endpoint.host, endpoint.port), family=family, backlog=1024)
    except OSError as taken:
        where = f"{endpoint.host}:{endpoint.port}"
        raise Unavailable(f"cannot listen on {where}: {_reason(taken)}") from None
    with listener:
        yield listener


def _obey(server: _Server) -> None:
    def stop() -> None:
        if server.should_exit:
            server.force_exit = True
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


async def _tell(config: DeviceConfig, endpoint: EndpointConfig, asker: Asker, listener: socket.socket) -> None:
    """Say where it listens and what is behind it. The edge may be away: it may come."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    log.info("listening on http://%s:%d/v1", host, listener.getsockname()[1])
    try:
        info = await asker.info()
    except CovspecError as away:
        log.warning("the edge is not there yet: %s", away)
        return
    log.info(
        "ready: model %s at the edge %s, draft %s, threads %d, %d answers side by side",
        info.model,
        config.edge,
        config.draft,
        asker.threads,
        endpoint.parallel,
    )
