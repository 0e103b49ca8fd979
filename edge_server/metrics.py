"""What an edge tells Prometheus. Names are those of vLLM behind `covspec_` where there is one, so that panels port.

Guarantees: no label or value comes from what a device says, but for numbers; each edge has a registry of its own. A
step is counted on the engine's thread, all else on the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from edge_server.engine.events import Step
from edge_server.sessions import Sessions
from edge_server.visit import Visit, outcome_of
from shared.errors import CovspecError, UnknownSession
from shared.speculation.messages import FinishReason
from shared.vlm.remains import Remains

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STEP = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_WAIT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_SESSIONS = (1, 2, 4, 8, 16, 32, 64)
_REASONS = {  # vLLM's words
    FinishReason.EOS: "stop",
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CANCELLED: "abort",
}


class EdgeMetrics:
    """Counts for one edge with `model`, whose steps look at most at `depths` proposals of an answer."""

    def __init__(self, model: str, depths: int = 64) -> None:
        self._registry = CollectorRegistry()
        self._model, self._depths = model, depths
        self._make_steps()
        self._make_streams()
        info = self._gauge("info", "What runs here.", ("version",))
        info.labels(model, version("covspec")).set(1)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

    def serves(self, fingerprint: bytes) -> None:
        """The model is loaded, and this is its fingerprint."""
        info = self._gauge("model_info", "The model that answers here.", ("fingerprint",))
        info.labels(self._model, fingerprint.hex()).set(1)

    def watch(self, sessions: Sessions, remains: Remains) -> None:
        """Tell how many sessions there are, and how much ended ones have left, whenever somebody looks."""
        left = self._gauge("prefix_cache_bytes", "Memory of what ended answers have left for their chat's next turn.")
        left.labels(self._model).set_function(lambda: remains.nbytes)
        running = self._gauge("num_requests_running", "Answers that have their place and a stream.")
        running.labels(self._model).set_function(lambda: len(sessions) - sessions.parked)
        waiting = self._gauge("num_requests_waiting", "Openings in line for a place.")
        waiting.labels(self._model).set_function(lambda: sessions.waiting)
        states = self._gauge("sessions", "Sessions by state: active, parked, or in line.", ("state",))
        states.labels(self._model, "active").set_function(lambda: len(sessions) - sessions.parked)
        states.labels(self._model, "parked").set_function(lambda: sessions.parked)
        states.labels(self._model, "waiting").set_function(lambda: sessions.waiting)

    def stepped(self, step: Step) -> None:
        """A step of the engine is over. On its thread."""
        self._step_seconds.observe(step.seconds)
        self._batch.observe(step.running)
        self._iteration.observe(step.prompt_tokens + step.output_tokens)
        self._prompt_tokens.inc(step.prompt_tokens)
        self._prefix_queries.inc(step.begun_tokens)
        self._prefix_hits.inc(step.reused_tokens)
        self._generation_tokens.inc(step.committed)
        self._cached.set(step.cached_tokens)
        self._queued.set(step.queued)
        if step.waiting:
            self._proposals.inc(step.waiting)
        if step.admitted_by_depth:
            self._drafts.inc(step.admitted_by_depth[0])
            self._draft_tokens.inc(step.admitted)
            for counter, count in zip(self._admitted, step.admitted_by_depth, strict=False):
                counter.inc(count)
        if step.stood_by_depth:
            self._accepted.inc(step.stood)
            for counter, count in zip(self._stood, step.stood_by_depth, strict=False):
                counter.inc(count)

    def went_up(self, size: int) -> None:
        """A device has said something, good or bad, of `size` bytes."""
        self._up.inc(size)
        self._up_messages.inc()

    def went_down(self, size: int) -> None:
        """A device was told something of `size` bytes."""
        self._down.inc(size)
        self._down_messages.inc()

    def over(self, visit: Visit, refusal: CovspecError | None) -> None:
        """A stream has ended."""
        self._streams.labels(self._model, outcome_of(visit, refusal)).inc()
        if visit.resumes:
            unknown = isinstance(refusal, UnknownSession)
            result = "resumed" if visit.opened is not None else "unknown" if unknown else "refused"
            self._resumes.labels(self._model, result).inc()
        elif visit.opened is not None:
            self._queue_seconds.observe(visit.queue_seconds)
            self._visual.inc(visit.opened.visual_tokens)
            if visit.first_token_seconds is not None:
                self._first_token.observe(visit.first_token_seconds)
        if visit.first_token_seconds is not None and visit.tokens > 1:
            spent = visit.last_token_seconds - visit.first_token_seconds
            self._token_seconds.observe(spent / (visit.tokens - 1))
        if visit.finished is not None:
            self._success.labels(self._model, _REASONS.get(visit.finished.reason, "stop")).inc()
            self._latency.observe(visit.seconds)

    def _make_steps(self) -> None:
        self._step_seconds = self._histogram("verify_seconds", "Forward of a step.", _STEP)
        self._batch = self._histogram("verify_batch_size", "Answers past their prompt in a step.", _SESSIONS)
        self._iteration = self._histogram("iteration_tokens_total", "Tokens in a step.", _TOKENS)
        self._prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts taken.")
        self._prefix_queries = self._counter("prefix_cache_queries", "Tokens of prompts that began.")
        self._prefix_hits = self._counter("prefix_cache_hits", "Those of them that ended answers had left.")
        self._generation_tokens = self._counter("generation_tokens", "Tokens committed.")
        self._cached = self._gauge("kv_cache_tokens", "Tokens in the caches of the last step.").labels(self._model)
        self._queued = self._gauge("step_queued", "Answers that found no place in the last step.").labels(self._model)
        self._proposals = self._counter("proposals_waiting", "Proposals that steps found waiting.")
        self._drafts = self._counter("spec_decode_num_drafts", "Looks at one answer's proposals in a step.")
        self._draft_tokens = self._counter("spec_decode_num_draft_tokens", "Proposals that steps looked at (admitted).")
        self._accepted = self._counter("spec_decode_num_accepted_tokens", "Proposals that stood.")
        self._admitted = self._by_depth("spec_decode_num_draft_tokens_per_pos", "Proposals looked at, by depth.")
        self._stood = self._by_depth("spec_decode_num_accepted_tokens_per_pos", "Proposals that stood, by depth.")

    def _make_streams(self) -> None:
        self._streams = self._counters("streams", "Streams by how they ended.", "outcome")
        self._success = self._counters("request_success", "Answers over.", "finished_reason")
        self._resumes = self._counters("resumes", "Streams that came back for a session.", "result")
        self._up = self._counter("uplink_bytes", "Payload from devices.")
        self._down = self._counter("downlink_bytes", "Payload to devices.")
        self._up_messages = self._counter("uplink_messages", "Messages from devices.")
        self._down_messages = self._counter("downlink_messages", "Messages to devices.")
        self._visual = self._counter("visual_tokens", "Visual tokens in the target's prompts.")
        self._queue_seconds = self._histogram("request_queue_time_seconds", "In line until opened.", _WAIT)
        self._first_token = self._histogram("time_to_first_token_seconds", "From a stream to its first commit.", _WAIT)
        self._latency = self._histogram("e2e_request_latency_seconds", "From a stream to Finished.", _WAIT)
        self._token_seconds = self._histogram(
            "request_time_per_output_token_seconds", "Mean time of a token after the first, by stream.", _STEP
        )

    def _counter(self, name: str, what: str) -> Counter:
        return Counter(f"covspec_{name}", what, ("model_name",), registry=self._registry).labels(self._model)

    def _counters(self, name: str, what: str, label: str) -> Counter:
        return Counter(f"covspec_{name}", what, ("model_name", label), registry=self._registry)

    def _gauge(self, name: str, what: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(f"covspec_{name}", what, ("model_name", *labels), registry=self._registry)

    def _histogram(self, name: str, what: str, buckets: Sequence[float]) -> Histogram:
        made = Histogram(f"covspec_{name}", what, ("model_name",), buckets=buckets, registry=self._registry)
        return made.labels(self._model)

    def _by_depth(self, name: str, what: str) -> list[Counter]:
        made = self._counters(name, what, "position")
        return [made.labels(self._model, str(depth)) for depth in range(self._depths)]
