"""The numbers of the metrics are those of the steps and streams; nothing that a device says becomes a label."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from edge_server.engine.events import Foretold, Step
from edge_server.engine.plan import Look
from edge_server.metrics import EdgeMetrics
from edge_server.sessions import Sessions
from edge_server.visit import Visit
from shared.errors import Unauthenticated, UnknownSession
from shared.speculation.messages import Commit, Finished, FinishReason, Pace, Ping, Pong
from shared.speculation.request import SamplingParameters
from shared.vlm.remains import Remains
from shared.wire.handshake import Opened, Queued, Resume

STEP = Step(1, Look.RULE, 0.03, Foretold(None, (0, 0, 0, 0)), 2, 1, 0, 5, 6, 70, 4, 9, (2, 1), (2,), 20, 15)
OPENED = Opened(b"s" * 16, b"t" * 16, SamplingParameters(max_tokens=9), 30, 20, 256, (), 16, Pace.EAGER, 60, b"f" * 16)


def told(metrics: EdgeMetrics) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (
            sample.name.removeprefix("covspec_"),
            *(v for k, v in sample.labels.items() if k != "model_name"),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_step_is_counted() -> None:
    metrics = EdgeMetrics("m", depths=4)
    metrics.stepped(STEP)
    metrics.stepped(replace(STEP, admitted_by_depth=(), stood_by_depth=(), waiting=0))
    said = told(metrics)
    assert (said["verify_seconds_count",], said["verify_seconds_sum",]) == (2, 0.06)
    assert (said["verify_batch_size_sum",], said["iteration_tokens_total_sum",]) == (4, 22)
    assert (said["prompt_tokens_total",], said["generation_tokens_total",]) == (10, 8)
    assert (said["spec_decode_num_drafts_total",], said["spec_decode_num_draft_tokens_total",]) == (2, 3)
    assert (said["spec_decode_num_accepted_tokens_total",], said["proposals_waiting_total",]) == (2, 9)
    by_depth = [said["spec_decode_num_draft_tokens_per_pos_total", str(depth)] for depth in range(4)]
    assert by_depth == [2, 1, 0, 0]
    assert said["spec_decode_num_accepted_tokens_per_pos_total", "0"] == 2
    assert said["kv_cache_tokens",] == 70
    assert (said["prefix_cache_queries_total",], said["prefix_cache_hits_total",]) == (40, 30)


def test_a_deeper_look_than_ever_foreseen_is_no_disaster() -> None:
    EdgeMetrics("m", depths=1).stepped(STEP)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_stream_is_counted_by_how_it_ended() -> None:
    metrics, clock = EdgeMetrics("m"), Clock()
    visit = Visit("r", 1000.0, clock)
    visit.said(Queued(1), 4)
    clock.now += 2
    visit.said(OPENED, 50)
    clock.now += 1
    visit.said(Commit(0, (5, 6, 7), (2,), 1), 10)
    clock.now += 1
    visit.said(Commit(3, (8,), (0,), 1), 10)
    visit.said(Finished(FinishReason.EOS, 4), 6)
    metrics.over(visit, None)
    said = told(metrics)
    assert (said["streams_total", "eos"], said["request_success_total", "stop"]) == (1, 1)
    assert (said["request_queue_time_seconds_sum",], said["time_to_first_token_seconds_sum",]) == (2, 3)
    assert (said["e2e_request_latency_seconds_sum",], said["visual_tokens_total",]) == (4, 20)
    assert said["request_time_per_output_token_seconds_sum",] == 1 / 3


def test_resumes_are_counted_by_what_came_of_them() -> None:
    metrics = EdgeMetrics("m")
    for opened, refusal in ((OPENED, None), (None, UnknownSession("no")), (None, Unauthenticated("no"))):
        visit = Visit("r", 1000.0)
        visit.heard(Resume(b"s" * 16, b"t" * 16, 3), 40)
        visit.opened = opened
        metrics.over(visit, refusal)
    said = told(metrics)
    assert [said["resumes_total", result] for result in ("resumed", "unknown", "refused")] == [1, 1, 1]
    assert [said["streams_total", outcome] for outcome in ("left", "UnknownSession", "Unauthenticated")] == [1, 1, 1]


def test_bytes_are_counted_as_they_pass() -> None:
    metrics = EdgeMetrics("m")
    for size in (4, 50, 10):
        metrics.went_down(size)
    metrics.went_up(40)
    said = told(metrics)
    assert (said["downlink_bytes_total",], said["downlink_messages_total",]) == (64, 3)
    assert (said["uplink_bytes_total",], said["uplink_messages_total",]) == (40, 1)


def test_signs_of_life_are_no_movement() -> None:
    clock = Clock()
    visit = Visit("r", 1000.0, clock)
    clock.now += 5
    visit.heard(Ping(), 2)
    visit.said(Pong(), 2)
    assert visit.idle_seconds == 5


def test_sessions_and_remains_are_counted_when_somebody_looks() -> None:
    metrics, sessions, remains = EdgeMetrics("m"), Sessions(1, 60.0, 4), Remains(1000)
    metrics.watch(sessions, remains)
    remains.nbytes = 600
    assert told(metrics)["prefix_cache_bytes",] == 600
    tickets = [sessions.queue() for _ in range(3)]
    said = told(metrics)
    assert (said["num_requests_running",], said["num_requests_waiting",], said["sessions", "parked"]) == (1, 2, 0)
    for ticket in tickets:
        sessions.release(ticket)
    assert told(metrics)["num_requests_running",] == 0
