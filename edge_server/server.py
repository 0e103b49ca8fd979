"""Puts an edge together and runs it: engine, service, health, reflection, and a drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

import grpc
from grpc_health.v1 import health as health_names
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from edge_server.config import EdgeConfig
from edge_server.door import Door
from edge_server.edge import Edge
from edge_server.engine.batch import Batching
from edge_server.engine.embedded import EmbeddedEngine
from edge_server.engine.events import Observer
from edge_server.event_file import event_file
from edge_server.health import Health, Reflection
from edge_server.metrics import EdgeMetrics
from edge_server.monitor import Monitor
from edge_server.service import SERVICE, SHUTTING_DOWN, House, VerifyService
from edge_server.sessions import Sessions
from edge_server.uploads import ImageStore, UploadRoom
from edge_server.vocabularies import Vocabularies
from edge_server.watchers import together
from shared.errors import Unavailable
from shared.media.decoder import ImageDecoder
from shared.speculation.prints import short
from shared.vlm.port import Vlm
from shared.vlm.remains import Remains
from shared.vlm.threads import threads_here
from shared.wire.handshake import Limits

log = logging.getLogger(__name__)
_MIB = 2**20
_LAST_SECONDS = 0.2  # after the drain, for streams that are no answers, such as a watch of the health

_OTHER_STREAMS = 64  # of a connection, that are no answers: health, reflection, questions about the edge

# A device pings an idle stream every 10 s: gRPC's own default would cut it for that. The ping timeout notices a peer
# that hangs without closing.
_OPTIONS = (
    ("grpc.max_receive_message_length", 4 * _MIB),
    ("grpc.max_metadata_size", 8 * 1024),  # of a call's headers: a token and a few names
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    ("grpc.max_connection_idle_ms", 600_000),  # without a stream
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.so_reuseport", 0),  # two edges on one port is a mistake, not a wish
)


class EdgeServer:
    """An edge that runs in this event loop. Use as `async with`; `port` is the one it listens on.

    `observer` is told of each step of the model, on the model's thread.
    """

    def __init__(self, config: EdgeConfig, load: Callable[[], Vlm], observer: Observer | None = None) -> None:
        self.port = 0
        self._config = config
        self.metrics_port = 0
        self._serves = False
        self._metrics = EdgeMetrics(config.model, config.max_window)
        watcher = self._metrics.stepped if config.metrics_port is not None else None
        self._remains = Remains(round(config.reuse_mib * _MIB), config.max_sessions, config.reuse_seconds)
        self._engine = EmbeddedEngine(load, _batching(config), together([observer, watcher]), remains=self._remains)
        share = config.max_sessions_per_tenant or None
        self._sessions = Sessions(config.max_sessions, config.park_seconds, config.max_queue, share=share)
        cache = round(config.image_cache_mib * _MIB)
        self._store = ImageStore(cache)
        one = round(config.max_images * config.max_image_mib * _MIB)  # opening must fit, whatever is kept
        self._upload_room = UploadRoom(max(cache, one))
        self._decoder = ImageDecoder(round(config.decode_mib * _MIB))
        self._health = Health()
        house = _house(config)
        own = (
            ("grpc.max_allowed_incoming_connections", config.max_connections),
            ("grpc.max_concurrent_streams", house.streams + _OTHER_STREAMS),  # of a connection: it may be a proxy's
        )
        self._server = grpc.aio.server(options=(*_OPTIONS, *own))
        self._door = Door(config)
        self._service = VerifyService(self._door, self._metrics, house)
        self._metrics.watch(self._sessions, self._remains)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> EdgeServer:
        """Bind, then load the model and let it answer once; until then health says NOT_SERVING.

        Raises ModelError, EngineFailure, Unavailable.
        """
        self._server.add_generic_rpc_handlers((self._service.handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._config.reflection:
            names = (SERVICE, health_names.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Reflection(names), self._server)
        self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        host = self._config.host
        address = f"[{host}]:{self._config.port}" if ":" in host else f"{host}:{self._config.port}"
        try:
            self.port = self._door.listen(self._server, address)
        except RuntimeError as taken:
            raise Unavailable(f"cannot listen on {address}: is another server there?") from taken
        if self._config.metrics_port is not None:
            monitor = Monitor(
                self._config.metrics_host, self._config.metrics_port, self._metrics.text, lambda: self._serves
            )
            self.metrics_port = self._open.enter_context(monitor).port
            log.info("metrics on %s:%d", self._config.metrics_host, self.metrics_port)
        await self._server.start()
        log.info("listening on %s:%d, loading %s", self._config.host, self.port, self._config.model)
        log.info("door: %s", self._door.described)
        self._door.warn()
        try:
            await self._start_engine()
        except BaseException:
            await self._server.stop(0)
            await self._open.aclose()
            raise
        self._service.edge = self._edge()
        self._metrics.serves(self._engine.fingerprint)
        self._say(health_pb2.HealthCheckResponse.SERVING)
        self._serves = True
        log.info("ready: %s", await self._described())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Refuse new answers and those in line, let running ones go on for `drain_seconds`, told so; free everything.

        The port stays open meanwhile, so that health and refusals have somebody to say them.
        """
        self._serves = False
        self._health.leave()
        self._sessions.drain(Unavailable(SHUTTING_DOWN))
        self._engine.forget()
        await self._service.drain(self._config.drain_seconds)
        await self._server.stop(_LAST_SECONDS)
        await self._service.ended()
        await self._sessions.close_all()
        await self._engine.stop()
        await self._open.aclose()

    def read_again(self) -> None:
        """Read tenants and certificates again, as after SIGHUP. What is wrong is logged and changes nothing."""
        self._door.read_again()

    @property
    def sessions(self) -> int:
        """Sessions that hold anything in the engine."""
        return self._engine.sessions

    @property
    def left(self) -> int:
        """Ended answers whose caches are kept for their chat's next turn."""
        return len(self._remains)

    @property
    def parked(self) -> int:
        """Those of them that wait for their device."""
        return self._sessions.parked

    @property
    def places(self) -> int:
        """Places taken: sessions, and streams that are about to open one."""
        return len(self._sessions)

    @property
    def waiting(self) -> int:
        """Openings that stand in line for a place."""
        return self._sessions.waiting

    async def _start_engine(self) -> None:
        await self._engine.start()
        if not self._config.warm_up:
            return
        try:
            await self._engine.warm_up()
        except BaseException:
            await self._engine.stop()
            raise

    def _edge(self) -> Edge:
        limits = _limits(self._config, self._engine.info.context_length)
        return Edge(
            self._engine,
            self._sessions,
            self._store,
            self._upload_room,
            self._decoder,
            Vocabularies(self._engine.info),
            limits,
            self._config.park_seconds,
            self._config.allow_lossy,
            self._config.attends and self._engine.attends,
        )

    async def _described(self) -> str:
        """What runs here, as it holds: the threads are those that the engine's thread itself counts."""
        info, config, threads = self._engine.info, self._config, await self._engine.ask(threads_here)
        paces = ", ".join(pace.value for pace in self._engine.paces)
        return (
            f"{info.name} ({info.family}), fingerprint {short(self._engine.fingerprint)},"
            f" threads {threads}, context {info.context_length},"
            f" window {config.max_window}, batch {config.max_batch}, places {config.max_sessions},"
            f" line {config.max_queue}, {paces if config.proposals else 'no proposals'}"
            f"{', lossy answers allowed' if config.allow_lossy else ''}"
            f"{', attention told' if config.attends else ''}"
        )

    def _say(self, status: int) -> None:
        for name in ("", SERVICE):
            self._health.say(name, status)


async def serve(config: EdgeConfig, load: Callable[[], Vlm]) -> None:
    """Run an edge until SIGTERM or SIGINT; a second signal ends it at once. Raises InvalidValue, ModelError."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            raise SystemExit(130)
        log.info("draining for at most %g s", config.drain_seconds)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    with event_file(config.events) as observer:
        async with EdgeServer(config, load, observer) as server:
            loop.add_signal_handler(signal.SIGHUP, server.read_again)
            await stopping.wait()
    log.info("stopped")


def _batching(config: EdgeConfig) -> Batching:
    return Batching(config.max_batch, config.prefill_chunk, config.proposals, config.sight_tokens, config.turn)


def _house(config: EdgeConfig) -> House:
    """A stream for each place and place in line, as many again for those that come back, and some to be refused in."""
    places = config.max_sessions_per_tenant or config.max_sessions + config.max_queue
    return House(
        config.max_messages_per_second,
        2 * places + 16,
        config.max_stream_seconds,
        config.idle_seconds,
        config.max_openings_per_second,
    )


def _limits(config: EdgeConfig, context_length: int) -> Limits:
    return Limits(
        context_length=context_length,
        max_window=config.max_window,
        max_ahead=config.max_ahead,
        max_images=config.max_images,
        max_image_bytes=round(config.max_image_mib * _MIB),
        max_image_pixels=round(config.max_image_megapixels * 1e6),
        max_sessions=config.max_sessions,
    )
