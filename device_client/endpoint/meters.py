"""What the endpoint tells Prometheus, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from device_client.answer import Result
from device_client.endpoint.places import Places
from shared.wire.ledger import Traffic

_FIRST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WHOLE = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class _Bytes(Collector):
    """Payload to and from the edge as it passes, whatever becomes of the answer."""

    def __init__(self, traffic: Callable[[], Traffic]) -> None:
        self._traffic = traffic

    def collect(self) -> Iterable[Metric]:
        """The count of now, by direction."""
        now = self._traffic()
        said = "Payload to and from the edge, pictures included."
        family = CounterMetricFamily("covspec_device_link_bytes", said, labels=["direction"])
        family.add_metric(["up"], now.up.payload)
        family.add_metric(["down"], now.down.payload)
        yield family


class Meters:
    """Counts answers: each choice of a request is one. `traffic`: what has passed so far."""

    def __init__(self, places: Places, traffic: Callable[[], Traffic]) -> None:
        registry = self._registry = CollectorRegistry()
        name = "covspec_device_"
        running = Gauge(f"{name}answers_running", "Answers that have a place.", registry=registry)
        running.set_function(lambda: places.running)
        waiting = Gauge(f"{name}answers_waiting", "Answers in line for a place.", registry=registry)
        waiting.set_function(lambda: places.waiting)
        self._answers = Counter(f"{name}answers", "Answers by how they ended.", ["end"], registry=registry)
        self._refused = Counter(f"{name}refused", "Requests refused, by HTTP status.", ["status"], registry=registry)
        self._tokens = Counter(
            f"{name}tokens",
            "Tokens by kind: prompt and answer of the target; drafted, accepted and thrown_away of the draft.",
            ["kind"],
            registry=registry,
        )
        registry.register(_Bytes(traffic))
        self._reconnects = Counter(f"{name}reconnects", "Streams to the edge taken up again.", registry=registry)
        self._first = Histogram(
            f"{name}first_token_seconds", "From the question to its first token.", buckets=_FIRST, registry=registry
        )
        self._whole = Histogram(
            f"{name}answer_seconds", "From the question to its last token.", buckets=_WHOLE, registry=registry
        )

    def answered(self, result: Result) -> None:
        """An answer has ended as it should."""
        told = result.figures
        self._answers.labels(result.reason.value).inc()
        for kind, count in (
            ("prompt", result.prompt_tokens),
            ("answer", len(result.ids)),
            ("drafted", told.drafted),
            ("accepted", told.accepted),
            ("thrown_away", told.thrown_away),
        ):
            self._tokens.labels(kind).inc(count)
        self._reconnects.inc(told.reconnects)
        self._whole.observe(told.seconds)
        if told.first_token_ms is not None:
            self._first.observe(told.first_token_ms / 1000)

    def left(self) -> None:
        """A client has gone before its answer was over."""
        self._answers.labels("cancelled").inc()

    def failed(self) -> None:
        """An answer has broken."""
        self._answers.labels("failed").inc()

    def refused(self, status: int) -> None:
        """A request was refused."""
        self._refused.labels(str(status)).inc()

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
