"""The table of errors and statuses, read in both directions, and once over a real connection."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from shared import errors
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
from shared.wire.statuses import CODES, LONGEST, LONGEST_ENCODED, NAME_KEY, RETRY_KEY, error_of, status_of

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, CovspecError) and kind.__module__ == errors.__name__
]
TABLE = {
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
    CovspecError: grpc.StatusCode.INTERNAL,
}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_of_the_tree_has_a_row(kind: type[CovspecError]) -> None:
    assert CODES[kind] is TABLE[kind]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_arrives_as_what_it_was(kind: type[CovspecError]) -> None:
    sentence = "propose.base is 7: must be at most 4"
    code, details, metadata = status_of(rebuilt(kind, sentence))
    assert code is TABLE[kind]
    assert details == sentence
    error = error_of(code, details, metadata)
    assert type(error) is kind
    assert str(error) == sentence


def test_a_sentence_composed_of_parts_arrives_whole() -> None:
    code, details, metadata = status_of(PromptTooLong("prompt", 5000, "must leave room in 4096 tokens"))
    error = error_of(code, details, metadata)
    assert type(error) is PromptTooLong
    assert str(error) == "prompt is 5000: must leave room in 4096 tokens"


@pytest.mark.parametrize("code", grpc.StatusCode)
def test_every_status_stands_for_an_error_with_a_sentence(code: grpc.StatusCode) -> None:
    for details in (None, ""):
        assert code.name in str(error_of(code, details, None))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidValue),
        (grpc.StatusCode.OUT_OF_RANGE, PromptTooLong),
        (grpc.StatusCode.FAILED_PRECONDITION, OutOfStep),
        (grpc.StatusCode.UNIMPLEMENTED, Unsupported),
        (grpc.StatusCode.NOT_FOUND, UnknownSession),
        (grpc.StatusCode.ABORTED, Superseded),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Unsupported),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.INTERNAL, Unavailable),
        (grpc.StatusCode.DATA_LOSS, EngineFailure),
        (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, Unsupported),
        (grpc.StatusCode.ALREADY_EXISTS, OutOfStep),
        (grpc.StatusCode.CANCELLED, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unavailable),
        (grpc.StatusCode.UNKNOWN, Unavailable),
        (grpc.StatusCode.OK, Unavailable),
    ],
)
def test_without_a_name_the_code_decides(code: grpc.StatusCode, kind: type[CovspecError]) -> None:
    assert type(error_of(code, "a proxy says no", (("server", "proxy"),))) is kind


@pytest.mark.parametrize("name", ["UnknownSession", "KeyError", "", b"ImageError", "OutOfStep"])
def test_a_name_that_does_not_belong_to_its_code_is_ignored(name: str | bytes) -> None:
    assert type(error_of(grpc.StatusCode.INVALID_ARGUMENT, "no", ((NAME_KEY, name),))) is InvalidValue


def test_a_class_without_a_row_travels_as_the_nearest_that_has_one() -> None:
    class TooBlue(ImageError):
        pass

    code, _, metadata = status_of(TooBlue("image", "blue", "must be red"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert metadata == ((NAME_KEY, "ImageError"),)


def test_an_error_without_words_says_its_name() -> None:
    assert status_of(Overloaded())[1] == "Overloaded"


def test_a_sentence_as_long_as_allowed_stays_and_a_longer_one_is_cut() -> None:
    assert status_of(Overloaded("a" * LONGEST))[1] == "a" * LONGEST
    assert status_of(Overloaded("a" * (LONGEST + 1)))[1] == "a" * (LONGEST - 1) + "…"


@pytest.mark.parametrize("character", ["é", "語", "🙂", "\n", "%"])
def test_a_sentence_that_gRPC_writes_with_many_bytes_is_cut_earlier(character: str) -> None:
    details = status_of(Overloaded(character * LONGEST))[1]
    written = sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode()) for c in details)
    assert written <= LONGEST_ENCODED + 9  # 9: the ellipsis
    assert len(details) >= 300


@pytest.mark.parametrize("seconds", [0.0, 0.1, 2.5, 60.0, 86400.0])
def test_when_to_try_again_arrives_as_it_was_said(seconds: float) -> None:
    error = error_of(*status_of(Overloaded("full", seconds)))
    assert isinstance(error, Overloaded)
    assert (str(error), error.retry_after) == ("full", seconds)


def test_a_delay_is_said_in_the_form_of_grpc_and_never_as_shorter_than_it_is() -> None:
    assert status_of(Overloaded("full", 1.23456))[2] == ((NAME_KEY, "Overloaded"), ("grpc-retry-pushback-ms", "1235"))
    assert status_of(Overloaded("full"))[2] == ((NAME_KEY, "Overloaded"),)


@pytest.mark.parametrize(
    "said",
    ["-1", "soon", "", "1.5", "1e3", "nan", "+7", " 7", "\u0663", "86400001", "9" * 5000, b"\xff", str(-(2**63))],
)
def test_a_delay_that_is_none_is_as_if_nothing_had_been_said(said: str | bytes) -> None:
    error = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", ((NAME_KEY, "Overloaded"), (RETRY_KEY, said)))
    assert isinstance(error, Overloaded)
    assert error.retry_after is None


def test_a_message_that_grpc_finds_too_large_is_no_overload() -> None:
    error = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)", ())
    assert type(error) is Unsupported
    assert "max" not in str(error)
    later = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", ((RETRY_KEY, "1500"),))  # a proxy's
    assert isinstance(later, Overloaded)
    assert later.retry_after == 1.5


def test_a_delay_beside_another_error_means_nothing() -> None:
    error = error_of(grpc.StatusCode.UNAVAILABLE, "gone", ((RETRY_KEY, "100"),))
    assert type(error) is Unavailable
    assert not hasattr(error, "retry_after")


def test_half_a_surrogate_pair_does_not_break_the_status() -> None:
    assert status_of(Unsupported("no \udc80"))[1] == r"no \udc80"


@pytest.mark.parametrize("sentence", ["🙂" * 2000, "a\n\0b \udc80 %41", "a" * 5000])
def test_a_real_connection_carries_class_and_sentence(sentence: str) -> None:
    code, details, metadata = status_of(rebuilt(ImageError, sentence))

    def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata(metadata)
        context.abort(code, details)

    handler = grpc.method_handlers_generic_handler("t.T", {"Go": grpc.unary_unary_rpc_method_handler(refuse)})
    server = grpc.server(ThreadPoolExecutor(1), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/t.T/Go", bytes, bytes)(b"", timeout=30)
    finally:
        server.stop(None).wait()
    status = caught.value
    assert isinstance(status, grpc.Call)
    error = error_of(status.code(), status.details(), status.trailing_metadata())
    assert type(error) is ImageError
    assert str(error) == details
