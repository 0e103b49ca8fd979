"""The one table between our errors and gRPC's statuses, both ways.

The sentence travels as the status' details, the class's name in trailing metadata: several classes share a code. A name
counts only under its own code; without one (a proxy, the gRPC library) the code alone decides. When an overloaded
edge may be asked again travels in gRPC's own form (gRFC A6), so that proxies and other clients understand it too; a
RESOURCE_EXHAUSTED without a name or such a delay is a message that is too large, and would be refused again.
"""

from __future__ import annotations

import math
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
    Unauthenticated,
    Unavailable,
    UnknownSession,
    Unsupported,
)
from shared.wire.checks import rebuilt

NAME_KEY = "covspec-error"
RETRY_KEY = "grpc-retry-pushback-ms"  # milliseconds; a negative number or no number: do not try again
LONGEST_RETRY_MS = 24 * 3600 * 1000  # a longer one is no delay that a person could mean
_TOO_LARGE = "a message to the edge was refused as larger than it, or a proxy before it, takes"
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
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
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
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unsupported,  # gRPC or a proxy: a message is larger than it may be
    grpc.StatusCode.INTERNAL: Unavailable,  # ours has a name: this is a proxy whose edge has died, or gRPC
    grpc.StatusCode.DATA_LOSS: EngineFailure,
    grpc.StatusCode.ALREADY_EXISTS: OutOfStep,
    grpc.StatusCode.PERMISSION_DENIED: Unsupported,  # by a proxy's rule: trying again is no use
    grpc.StatusCode.CANCELLED: Unavailable,  # the stream was cut, by either end: the answer can be resumed
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.UNKNOWN: Unavailable,
    grpc.StatusCode.OK: Unavailable,  # an end without Finished
}


def status_of(error: CovspecError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]]:
    """Code, details and trailing metadata that answer a peer with `error`."""
    kind = next(known for known in type(error).__mro__ if known in CODES)
    metadata = [(NAME_KEY, kind.__name__)]
    if isinstance(error, Overloaded) and error.retry_after is not None:
        metadata.append((RETRY_KEY, str(math.ceil(error.retry_after * 1000))))
    return CODES[kind], _sendable(str(error) or kind.__name__), tuple(metadata)


def error_of(
    code: grpc.StatusCode,
    details: str | None,
    trailing_metadata: Iterable[tuple[str, str | bytes]] | None,
) -> CovspecError:
    """The error that a peer's status stands for. It says the peer's sentence unchanged."""
    kind, retry_after = _BARE[code], None
    for key, value in trailing_metadata or ():
        named = _NAMED.get(value) if key == NAME_KEY else None
        if named is not None and CODES[named] is code:
            kind = named
        if key == RETRY_KEY:
            retry_after = _delay(value)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and kind is Unsupported:
        kind, details = (Unsupported, details and _TOO_LARGE) if retry_after is None else (Overloaded, details)
    error = rebuilt(kind, details or f"the edge ended the stream with {code.name}")
    if isinstance(error, Overloaded):
        error.retry_after = retry_after
    return error


def _delay(value: str | bytes) -> float | None:
    """Seconds, or None for what is no delay: whoever sends that is not asked again on its word."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(LONGEST_RETRY_MS))):
        return None
    milliseconds = int(text)
    return milliseconds / 1000 if milliseconds <= LONGEST_RETRY_MS else None


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
