"""A trace becomes a document: one clock, spans that nest, and an edge that is placed by what was heard and said."""

from __future__ import annotations

from typing import Any

from device_client.trace.timeline import DEVICE, FIRST_EDGE, document
from device_client.trace.trace import Trace
from shared.speculation.messages import Commit, Finished, FinishReason, Pace, Propose
from shared.speculation.request import SamplingParameters
from shared.speculation.traced import Span, SpanKind, Traced
from shared.wire.handshake import Opened
from tests.support.traces import spans, spans_nest

EDGE_AHEAD = 1000.0  # seconds


class Clock:
    """Says what it is told to say."""

    now = 50.0

    def __call__(self) -> float:
        return self.now


def opened(session: bytes = b"s" * 16) -> Opened:
    return Opened(session, b"t" * 16, SamplingParameters(max_tokens=5), 20, 15, 64, (), 4, Pace.EAGER, 60, b"f" * 16)


def us(seconds: float) -> int:
    return round(1e6 * (seconds + EDGE_AHEAD))


def a_trace() -> Trace:
    """A way up and down of 10 ms each; the edge sees for 20 ms, prefills for 30 ms, chooses for 1 ms."""
    clock = Clock()
    trace = Trace(clock)
    trace.streams()
    for stage, at in (("prompt", 50.0), ("vision tower", 50.001), ("draft prefill", 50.011), ("", 50.021)):
        clock.now = at
        trace.begins(stage)
    clock.now = 50.022
    trace.heard(opened())
    clock.now = 50.025
    trace.drafted(50.0221, 50.025)
    trace.proposed(Propose(0, 0, (7,)))
    clock.now = 50.075
    trace.heard(Commit(0, (7, 8), (1,), 1))
    trace.heard(
        Traced(
            (
                Span(SpanKind.SEE, us(50.013), 20_000),
                Span(SpanKind.STEP, us(50.034), 30_000, 20, 1, 1),
                Span(SpanKind.CHOOSE, us(50.064), 1_000),
            ),
            1,
            us(50.035),
            us(50.065),
        )
    )
    trace.heard(Finished(FinishReason.EOS, 2))
    clock.now = 50.076
    trace.ends()
    return trace


def test_what_both_ends_did_stands_on_the_clock_of_the_device() -> None:
    made = document(a_trace())
    assert [(name, round(begin), round(end)) for name, begin, end in spans(made, DEVICE, 2)] == [
        ("prompt", 0, 1_000),
        ("vision tower", 1_000, 11_000),
        ("draft prefill", 11_000, 21_000),
        ("wait", 21_000, 22_100),
        ("draft token", 22_100, 25_000),
    ]
    assert [(name, round(begin), round(end)) for name, begin, end in spans(made, FIRST_EDGE, 1)] == [
        ("vision tower", 13_000, 33_000),
        ("wait", 33_000, 34_000),
        ("prefill step", 34_000, 64_000),
        ("choose", 64_000, 65_000),
    ]
    (edge,) = made["otherData"]["edges"]
    assert edge["clock_offset_us"] == 1e6 * EDGE_AHEAD
    assert edge["clock_error_us"] == 10_000
    spans_nest(made)


def test_the_stream_is_told_word_by_word() -> None:
    instants = [event for event in document(a_trace())["traceEvents"] if event["ph"] == "i"]
    assert [event["name"] for event in instants] == ["opened", "propose", "commit", "finished"]
    assert instants[2]["args"] == {"start": 0, "ids": 2, "accepted": [1], "heard": 1, "admitted": None}


def test_a_session_at_another_edge_has_a_clock_of_its_own() -> None:
    trace = a_trace()
    trace.streams()
    trace.heard(opened(b"u" * 16))
    made: dict[str, Any] = document(trace)
    assert [edge["told"] for edge in made["otherData"]["edges"]] == [True, False]
    assert made["otherData"]["edges"][1]["clock_error_us"] is None
    assert spans(made, FIRST_EDGE + 1, 1) == []


def test_an_edge_that_heard_no_proposal_did_nothing_before_the_first_word() -> None:
    clock = Clock()
    trace = Trace(clock)
    trace.streams()
    trace.heard(opened())
    clock.now = 50.1
    trace.heard(Traced((Span(SpanKind.SEE, us(50.02), 10),), 0, 0, us(50.09)))
    (edge,) = trace.edges
    assert round(1e6 * edge.offset.error) == 15_000
