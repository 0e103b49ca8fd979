"""The codec: pure functions between our values and the messages of the wire, and the door where a peer is checked.

decode(encode(value)) == value for every value that its limits allow. Whatever bytes a peer sends, they decode or raise
a CovspecError whose sentence has the field, the value and the limit. Fields that this build does not know are ignored.
Conversations are not known here: a message is judged by itself and by the edge's limits.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar, assert_never

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as AnyMessage

from shared.errors import InvalidValue
from shared.speculation.attended import Attended
from shared.speculation.messages import Commit, Finish, Finished, Ping, Pong, Propose, Yield
from shared.speculation.prints import VocabularyPrint
from shared.speculation.traced import Traced
from shared.wire import checks
from shared.wire import codec_answer as answer
from shared.wire import codec_attended as attended
from shared.wire import codec_session as session
from shared.wire import codec_traced as traced
from shared.wire.codec_info import decode_info, decode_vocabulary, encode_info, encode_vocabulary
from shared.wire.handshake import Drain, ImageChunk, ImageHeld, Limits, Open, Opened, Queued, Resume, VocabularyWanted
from shared.wire.v1 import verify_pb2 as pb

__all__ = [
    "FromDevice",
    "FromEdge",
    "decode_info",
    "decode_request",
    "decode_response",
    "encode_info",
    "encode_request",
    "encode_response",
    "parse_info",
    "parse_request",
    "parse_response",
]

FromDevice: TypeAlias = Open | ImageChunk | Propose | Yield | Finish | Resume | Ping | VocabularyPrint
FromEdge: TypeAlias = (
    Opened | ImageHeld | Queued | Commit | Finished | Drain | Pong | Traced | Attended | VocabularyWanted
)

YIELD = "yield"  # a word of Python, so the field has no attribute syntax

Parsed = TypeVar("Parsed", bound=AnyMessage)


def parse_request(data: bytes) -> pb.VerifyRequest:
    """The message in `data`. Raises InvalidValue for bytes that hold none; a request deserializer for gRPC."""
    return _parse("request", pb.VerifyRequest, data)


def parse_response(data: bytes) -> pb.VerifyResponse:
    """The message in `data`. Raises InvalidValue for bytes that hold none; a response deserializer for gRPC."""
    return _parse("response", pb.VerifyResponse, data)


def parse_info(data: bytes) -> pb.GetServerInfoResponse:
    """The message in `data`. Raises InvalidValue for bytes that hold none; a response deserializer for gRPC."""
    return _parse("info", pb.GetServerInfoResponse, data)


def encode_request(message: FromDevice) -> pb.VerifyRequest:
    """`message` for the wire. Raises InvalidValue for an Open that no edge would take (text, sampling)."""
    match message:
        case Propose():
            return pb.VerifyRequest(propose=answer.encode_propose(message))
        case ImageChunk():
            return pb.VerifyRequest(image_chunk=session.encode_chunk(message))
        case Yield():
            request = pb.VerifyRequest()
            getattr(request, YIELD).CopyFrom(answer.encode_yield(message))
            return request
        case Open():
            return pb.VerifyRequest(open=session.encode_open(message))
        case Finish():
            return pb.VerifyRequest(finish=answer.encode_finish(message))
        case Resume():
            return pb.VerifyRequest(resume=session.encode_resume(message))
        case Ping():
            return pb.VerifyRequest(ping=pb.Ping())
        case VocabularyPrint():
            return pb.VerifyRequest(vocabulary=encode_vocabulary(message))
        case _:
            assert_never(message)


def decode_request(message: pb.VerifyRequest, limits: Limits) -> FromDevice:
    """What a device says, within this edge's `limits`. Raises InvalidValue, ModelMismatch or Unsupported."""
    match message.WhichOneof("payload"):
        case "propose":
            return answer.decode_propose(message.propose, limits)
        case "image_chunk":
            return session.decode_chunk(message.image_chunk, limits)
        case "yield":
            return answer.decode_yield(getattr(message, YIELD))
        case "open":
            return session.decode_open(message.open, limits)
        case "finish":
            return answer.decode_finish(message.finish)
        case "resume":
            return session.decode_resume(message.resume, limits)
        case "ping":
            return Ping()
        case "vocabulary":
            return decode_vocabulary("vocabulary", message.vocabulary)
        case _:
            raise _without_payload("request", pb.VerifyRequest)


def encode_response(message: FromEdge) -> pb.VerifyResponse:
    """`message` for the wire."""
    match message:
        case Commit():
            return pb.VerifyResponse(commit=answer.encode_commit(message))
        case Opened():
            return pb.VerifyResponse(opened=session.encode_opened(message))
        case ImageHeld():
            return pb.VerifyResponse(image_held=session.encode_held(message))
        case Queued():
            return pb.VerifyResponse(queued=session.encode_queued(message))
        case Finished():
            return pb.VerifyResponse(finished=answer.encode_finished(message))
        case Drain():
            return pb.VerifyResponse(drain=answer.encode_drain(message))
        case Pong():
            return pb.VerifyResponse(pong=pb.Pong())
        case Traced():
            return pb.VerifyResponse(traced=traced.encode_traced(message))
        case Attended():
            return pb.VerifyResponse(attended=attended.encode_attended(message))
        case VocabularyWanted():
            return pb.VerifyResponse(vocabulary_wanted=pb.VocabularyWanted())
        case _:
            assert_never(message)


def decode_response(message: pb.VerifyResponse, limits: Limits) -> FromEdge:
    """What an edge says, within the `limits` that it told of itself. Raises InvalidValue or Unsupported."""
    match message.WhichOneof("payload"):
        case "commit":
            return answer.decode_commit(message.commit, limits)
        case "opened":
            return session.decode_opened(message.opened, limits)
        case "image_held":
            return session.decode_held(message.image_held, limits)
        case "queued":
            return session.decode_queued(message.queued)
        case "finished":
            return answer.decode_finished(message.finished, limits)
        case "drain":
            return answer.decode_drain(message.drain)
        case "pong":
            return Pong()
        case "traced":
            return traced.decode_traced(message.traced)
        case "attended":
            return attended.decode_attended(message.attended, limits)
        case "vocabulary_wanted":
            return VocabularyWanted()
        case _:
            raise _without_payload("response", pb.VerifyResponse)


def _without_payload(field: str, kind: type[AnyMessage]) -> InvalidValue:
    *others, last = [one.name for one in kind.DESCRIPTOR.oneofs_by_name["payload"].fields]
    return InvalidValue(f"{field}.payload", checks.NOT_SET, f"must be {', '.join(others)} or {last}")


def _parse(field: str, kind: type[Parsed], data: bytes) -> Parsed:
    try:
        return kind.FromString(data)
    except DecodeError:
        told = checks.Shown(f"{len(data)} bytes")
        raise InvalidValue(field, told, f"must be a protobuf {kind.DESCRIPTOR.full_name}") from None
