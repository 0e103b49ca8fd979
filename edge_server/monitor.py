"""A port for those who watch an edge: GET /metrics for Prometheus, GET /health for proxies that speak plain HTTP.

Guarantees: it answers on a thread of its own, so that it answers while the loop is busy; it takes nothing but these two
requests, and writes no log of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from edge_server.metrics import CONTENT_TYPE
from shared.errors import Unavailable

_SECONDS = 10  # that a request may take, for those who connect and say nothing


class Monitor:
    """Serves `metrics()`, and whether the edge `serves()`, on `host`:`port`. Use as `with`."""

    def __init__(self, host: str, port: int, metrics: Callable[[], bytes], serves: Callable[[], bool]) -> None:
        def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
                case "GET", "/metrics":
                    start("200 OK", [("Content-Type", CONTENT_TYPE)])
                    return [metrics()]
                case "GET", "/health":
                    good = serves()
                    start("200 OK" if good else "503 Service Unavailable", [("Content-Type", "text/plain")])
                    return [b"SERVING\n" if good else b"NOT_SERVING\n"]
                case _:
                    start("404 Not Found", [("Content-Type", "text/plain")])
                    return [b"here are /metrics and /health\n"]

        try:
            self._server = make_server(host, port, answer, _Server, _Silent)
        except OSError as taken:
            sentence = f"cannot listen on {host}:{port} for metrics: {taken.strerror}"
            raise Unavailable(sentence) from taken
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="monitor", daemon=True)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False  # who holds a connection open does not hold up the end

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A watcher that is gone is nobody's trouble."""


class _Silent(WSGIRequestHandler):
    timeout = _SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """No line for each look."""
