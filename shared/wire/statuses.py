"""The one table between our errors and gRPC's statuses, both ways.

The sentence travels as the status' details, the class's name in trailing metadata: several classes share a code. A name
counts only under its own code; without one (a proxy, the gRPC library) the code alone decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import grpc

from shared.errors import (
    CovspecError,
    EngineFailure,
    ImageError,
    InvalidValue,
    ModelError,
    ModelMismatch,
    OutOfStep,
    Overloaded,
    PromptTooLong,
    Superseded,
    Unavailable,
    UnknownSession,
    Unsupported,
)
from shared.wire.checks import rebuilt

NAME_KEY = "covspec-error"
LONGEST = 1000  # characters of a sentence
LONGEST_ENCODED = 4096  # bytes of it as gRPC writes it; clients refuse headers of 8 KiB and more in all

CODES: Mapping[type[CovspecError], grpc.StatusCode] = {
    InvalidValue: grpc.StatusCode.INVALID_ARGUMENT,
    ImageError: grpc.StatusCode.INVALID_ARGUMENT,
    PromptTooLong: grpc.StatusCode.OUT_OF_RANGE,
    OutOfStep: grpc.StatusCode.FAILED_PRECONDITION,
    ModelMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    ModelError: grpc.StatusCode.FAILED_PRECONDITION,
    Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    UnknownSession: grpc.StatusCode.NOT_FOUND,
    Superseded: grpc.StatusCode.ABORTED,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    EngineFailure: grpc.StatusCode.INTERNAL,
    CovspecError: grpc.StatusCode.INTERNAL,  # a class that has no row of its own
}

_NAMED: Mapping[str | bytes, type[CovspecError]] = {kind.__name__: kind for kind in CODES}

# What a bare code means. Of the classes of one code it is the first above; the rest are statuses that we never send.
_BARE: Mapping[grpc.StatusCode, type[CovspecError]] = {
    **{code: kind for kind, code in reversed(tuple(CODES.items()))},
    grpc.StatusCode.INTERNAL: EngineFailure,
    grpc.StatusCode.DATA_LOSS: EngineFailure,
    grpc.StatusCode.ALREADY_EXISTS: OutOfStep,
    grpc.StatusCode.UNAUTHENTICATED: Unsupported,  # a proxy wants what this build cannot show: trying again is no use
    grpc.StatusCode.PERMISSION_DENIED: Unsupported,
    grpc.StatusCode.CANCELLED: Unavailable,  # the stream was cut, by either end: the answer can be resumed
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.UNKNOWN: Unavailable,
    grpc.StatusCode.OK: Unavailable,  # an end without Finished
}


def status_of(error: CovspecError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]]:
    """Code, details and trailing metadata that answer a peer with `error`."""
    kind = next(known for known in type(error).__mro__ if known in CODES)
    return CODES[kind], _sendable(str(error) or kind.__name__), ((NAME_KEY, kind.__name__),)


def error_of(
    code: grpc.StatusCode,
    details: str | None,
    trailing_metadata: Iterable[tuple[str, str | bytes]] | None,
) -> CovspecError:
    """The error that a peer's status stands for. It says the peer's sentence unchanged."""
    kind = _BARE[code]
    for key, value in trailing_metadata or ():
        named = _NAMED.get(value) if key == NAME_KEY else None
        if named is not None and CODES[named] is code:
            kind = named
    return rebuilt(kind, details or f"the edge ended the stream with {code.name}")


def _sendable(sentence: str) -> str:
    """`sentence`, cut so that it fits in a header, and without half surrogate pairs, which no header can carry."""
    clean = sentence.encode("utf-8", "replace").decode("utf-8")
    if len(clean) > LONGEST:
        clean = clean[: LONGEST - 1] + "…"
    encoded = 0
    for count, character in enumerate(clean):
        # gRPC writes printable ASCII as it is and every other byte of UTF-8 as %xx.
        encoded += 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())
        if encoded > LONGEST_ENCODED:
            return clean[:count] + "…"
    return clean
