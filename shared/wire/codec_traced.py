"""What an edge did and when, value <-> protobuf."""

from __future__ import annotations

from types import MappingProxyType

from shared.errors import InvalidValue
from shared.speculation.traced import Span, SpanKind, Traced
from shared.wire import checks
from shared.wire.codec_answer import LONGEST_US
from shared.wire.v1 import verify_pb2 as pb

MAX_SPANS = 256  # of one message
MAX_US = 2**53  # of a clock: what a double holds exactly

_KINDS = MappingProxyType(
    {
        SpanKind.SEE: pb.SPAN_KIND_SEE,
        SpanKind.STEP: pb.SPAN_KIND_STEP,
        SpanKind.CHOOSE: pb.SPAN_KIND_CHOOSE,
    }
)
_NAMES = MappingProxyType({number: kind for kind, number in _KINDS.items()})


def encode_traced(traced: Traced) -> pb.Traced:
    """`traced`."""
    return pb.Traced(
        spans=[_encode_span(span) for span in traced.spans],
        heard=traced.heard,
        heard_us=traced.heard_us,
        said_us=traced.said_us,
    )


def decode_traced(message: pb.Traced) -> Traced:
    """Spans of a clock, at most MAX_SPANS."""
    checks.at_most("traced.spans", message.spans, MAX_SPANS, "spans")
    return Traced(
        spans=tuple(_decode_span(f"traced.spans[{at}]", span) for at, span in enumerate(message.spans)),
        heard=checks.position("traced.heard", message.heard),
        heard_us=checks.within("traced.heard_us", message.heard_us, 0, MAX_US),
        said_us=checks.within("traced.said_us", message.said_us, 0, MAX_US),
    )


def _encode_span(span: Span) -> pb.Span:
    return pb.Span(
        kind=_KINDS[span.kind],
        begin_us=span.begin_us,
        duration_us=min(span.duration_us, LONGEST_US),
        prompt_tokens=span.prompt_tokens,
        proposals=span.proposals,
        stood=span.stood,
    )


def _decode_span(where: str, span: pb.Span) -> Span:
    kind = _NAMES.get(span.kind)
    if kind is None:
        raise InvalidValue(f"{where}.kind", span.kind, "must be see, step or choose")
    proposals = checks.position(f"{where}.proposals", span.proposals)
    return Span(
        kind=kind,
        begin_us=checks.within(f"{where}.begin_us", span.begin_us, 0, MAX_US),
        duration_us=span.duration_us,
        prompt_tokens=checks.position(f"{where}.prompt_tokens", span.prompt_tokens),
        proposals=proposals,
        stood=checks.within(f"{where}.stood", span.stood, 0, proposals),
    )
