"""A trace as a document in the Trace Event Format, which Perfetto and chrome://tracing open.

Guarantees: times are microseconds of the device's clock from the question on; the spans of one thread nest or follow
one another; `otherData` says how far the edge's spans may be off.
Format: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from device_client.trace.trace import EdgeSide, Stage, Told, Trace
from shared.speculation.messages import Commit, Finished, Propose
from shared.speculation.traced import Span, SpanKind
from shared.wire.handshake import Opened, Queued

Event: TypeAlias = dict[str, Any]

DEVICE, FIRST_EDGE = 1, 2  # processes
ANSWER, DRAFT, STREAM, ENGINE = 1, 2, 3, 1  # threads
SHORTEST_WAIT = 50.0  # microseconds: less is the loop's own way from one forward to the next
_THREADS = {ANSWER: "answer", DRAFT: "draft model", STREAM: "stream"}


def document(trace: Trace) -> dict[str, Any]:
    """The whole trace. Call it once the answer is over."""
    events = [*_names(trace), *_answer(trace), *_drafting(trace), *_stream(trace)]
    for number, edge in enumerate(trace.edges):
        events += _edge(FIRST_EDGE + number, edge, trace.began)
    return {"displayTimeUnit": "ms", "traceEvents": events, "otherData": _about(trace)}


def _about(trace: Trace) -> dict[str, Any]:
    return {
        "clock": "microseconds of the device's monotonic clock since the question",
        "question_unix_seconds": trace.date,
        "request": trace.request,
        "edges": [
            {
                "process": FIRST_EDGE + number,
                "told": bool(edge.spans),
                "clock_offset_us": round(1e6 * edge.offset.seconds, 1) if edge.offset.is_known else None,
                "clock_error_us": round(1e6 * edge.offset.error, 1) if edge.offset.is_known else None,
            }
            for number, edge in enumerate(trace.edges)
        ],
        "error": "the edge's spans stand at most clock_error_us from where they were, if both clocks run at one rate",
    }


def _names(trace: Trace) -> Iterator[Event]:
    yield _name("process_name", DEVICE, 0, "device")
    for thread, name in _THREADS.items():
        yield _name("thread_name", DEVICE, thread, name)
    for number in range(len(trace.edges)):
        yield _name("process_name", FIRST_EDGE + number, 0, "edge" if number == 0 else f"edge, session {number + 1}")
        yield _name("thread_name", FIRST_EDGE + number, ENGINE, "target model")


def _answer(trace: Trace) -> Iterator[Event]:
    """The answer, and in it what a person waits for: to be let in, the first word, the rest."""
    began = trace.began
    end = trace.ended if trace.ended is not None else trace.clock()
    opened = next((at for at, told in trace.told if isinstance(told, Opened)), end)
    first = max(opened, next((at for at, told in trace.told if isinstance(told, Commit) and told.ids), end))
    yield _span("answer", DEVICE, ANSWER, 0.0, _us(end, began))
    for name, since, until in (
        ("until opened", began, opened),
        ("until the first token", opened, first),
        ("the rest", first, end),
    ):
        if until > since:
            yield _span(name, DEVICE, ANSWER, _us(since, began), _us(until, began))


def _drafting(trace: Trace) -> Iterator[Event]:
    began = trace.began
    stages = sorted(trace.stages, key=lambda stage: stage.begin)
    yield from (_span(each.name, DEVICE, DRAFT, _us(each.begin, began), _us(each.end, began)) for each in stages)
    yield from _waits(DEVICE, DRAFT, _pairs(stages, began))


def _stream(trace: Trace) -> Iterator[Event]:
    for at, told in trace.told:
        name, arguments = _told(told)
        yield _event("i", name, DEVICE, STREAM, _us(at, trace.began)) | {"s": "t", "args": arguments}


def _told(told: Told) -> tuple[str, dict[str, Any]]:
    match told:
        case Propose(ids=()):
            return "acknowledge", {"seen": told.seen}
        case Propose():
            return "propose", {"seen": told.seen, "base": told.base, "ids": len(told.ids)}
        case Commit():
            return "commit", {
                "start": told.start,
                "ids": len(told.ids),
                "accepted": list(told.accepted),
                "heard": told.heard,
                "admitted": told.admitted,
            }
        case Opened():
            return "opened", {"prompt_tokens": told.prompt_tokens, "visual_tokens": told.visual_tokens}
        case Queued():
            return "queued", {"place": told.place}
        case Finished():
            return "finished", {"reason": told.reason.value, "length": told.length}


def _edge(process: int, edge: EdgeSide, began: float) -> Iterator[Event]:
    if not edge.offset.is_known:  # it tells nothing, or there is no telling when
        return
    shift = 1e6 * (edge.offset.seconds + began)
    spans = sorted(edge.spans, key=lambda span: span.begin_us)
    for span in spans:
        begin = span.begin_us - shift
        yield _span(_title(span), process, ENGINE, begin, begin + span.duration_us) | {"args": _share(span)}
    yield from _waits(process, ENGINE, [(s.begin_us - shift, s.begin_us - shift + s.duration_us) for s in spans])


def _title(span: Span) -> str:
    match span.kind:
        case SpanKind.SEE:
            return "vision tower"
        case SpanKind.STEP:
            return "prefill step" if span.prompt_tokens else "step"
        case SpanKind.CHOOSE:
            return "choose"


def _share(span: Span) -> dict[str, int]:
    if span.kind is not SpanKind.STEP:
        return {}
    return {"prompt_tokens": span.prompt_tokens, "proposals": span.proposals, "stood": span.stood}


def _pairs(stages: Sequence[Stage], began: float) -> list[tuple[float, float]]:
    return [(_us(stage.begin, began), _us(stage.end, began)) for stage in stages]


def _waits(process: int, thread: int, busy: Iterable[tuple[float, float]]) -> Iterator[Event]:
    """What lies between: here this answer had nothing to do, or others were served."""
    for (_, end), (begin, _) in pairwise(busy):
        if begin - end >= SHORTEST_WAIT:
            yield _span("wait", process, thread, end, begin)


def _us(at: float, began: float) -> float:
    return 1e6 * (at - began)


def _span(name: str, process: int, thread: int, begin: float, end: float) -> Event:
    return _event("X", name, process, thread, begin) | {"dur": round(max(0.0, end - begin), 3)}


def _event(phase: str, name: str, process: int, thread: int, at: float) -> Event:
    return {"ph": phase, "name": name, "pid": process, "tid": thread, "ts": round(at, 3)}


def _name(what: str, process: int, thread: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}
