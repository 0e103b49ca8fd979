"""Enum numbers of the wire and the enums of our values, both ways.

A number that the protocol does not name, or `unspecified` where a choice is needed, is an InvalidValue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from shared.errors import InvalidValue
from shared.speculation.messages import Evidence, FinishReason, Pace, Rule
from shared.wire.checks import Shown
from shared.wire.v1 import verify_pb2 as pb

PACES: Mapping[Pace, pb.Pace] = {
    Pace.EAGER: pb.PACE_EAGER,
    Pace.THRIFTY: pb.PACE_THRIFTY,
    Pace.AUTO: pb.PACE_AUTO,
}

RULES: Mapping[Rule, pb.Rule] = {Rule.COUPLED: pb.RULE_COUPLED, Rule.REJECTION: pb.RULE_REJECTION}

EVIDENCES: Mapping[Evidence, pb.Evidence] = {
    Evidence.SCALAR: pb.EVIDENCE_SCALAR,
    Evidence.POINT: pb.EVIDENCE_POINT,
    Evidence.SPARSE: pb.EVIDENCE_SPARSE,
    Evidence.DENSE: pb.EVIDENCE_DENSE,
}

REASONS: Mapping[FinishReason, pb.FinishReason] = {
    FinishReason.EOS: pb.FINISH_REASON_EOS,
    FinishReason.STOP: pb.FINISH_REASON_STOP,
    FinishReason.LENGTH: pb.FINISH_REASON_LENGTH,
    FinishReason.CANCELLED: pb.FINISH_REASON_CANCELLED,
    FinishReason.DONE: pb.FINISH_REASON_DONE,
}

_PACE_OF: Mapping[int, Pace] = {number: pace for pace, number in PACES.items()}
_RULE_OF: Mapping[int, Rule] = {number: rule for rule, number in RULES.items()}
_EVIDENCE_OF: Mapping[int, Evidence] = {number: evidence for evidence, number in EVIDENCES.items()}
# A device says what it wants or has read; an edge says how the text ended, or that the device's wish was heard.
_DEVICE_REASON_OF: Mapping[int, FinishReason] = {
    REASONS[reason]: reason for reason in (FinishReason.CANCELLED, FinishReason.DONE)
}
_EDGE_REASON_OF: Mapping[int, FinishReason] = {
    number: reason for reason, number in REASONS.items() if reason is not FinishReason.DONE
}

Value = TypeVar("Value")


def decode_pace(field: str, number: int) -> Pace:
    """The pace of `number`."""
    return _chosen(field, number, _PACE_OF, pb.Pace.items())


def decode_rule(field: str, number: int) -> Rule:
    """The rule of `number`. Whether an edge offers it is not known here."""
    return _chosen(field, number, _RULE_OF, pb.Rule.items())


def decode_evidence(field: str, number: int) -> Evidence:
    """The evidence of `number`."""
    return _chosen(field, number, _EVIDENCE_OF, pb.Evidence.items())


def decode_device_reason(field: str, number: int) -> FinishReason:
    """Why a device ends an answer: CANCELLED or DONE."""
    return _chosen(field, number, _DEVICE_REASON_OF, pb.FinishReason.items())


def decode_edge_reason(field: str, number: int) -> FinishReason:
    """Why an edge has ended an answer: anything but DONE."""
    return _chosen(field, number, _EDGE_REASON_OF, pb.FinishReason.items())


def _chosen(field: str, number: int, known: Mapping[int, Value], named: Iterable[tuple[str, int]]) -> Value:
    value = known.get(number)
    if value is not None:
        return value
    names = {listed: name for name, listed in named}
    raise InvalidValue(
        field, Shown(names.get(number, str(number))), f"must be {_listed(names[allowed] for allowed in known)}"
    )


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
