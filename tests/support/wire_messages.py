"""One valid message of every kind at the edge of small limits, and a way to spoil a single field of it."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest

from shared.errors import CovspecError
from shared.shares import Ratio
from shared.speculation.attended import Attended
from shared.speculation.messages import (
    Commit,
    Finish,
    Finished,
    FinishReason,
    Pace,
    Ping,
    Pong,
    Propose,
    ResidualRow,
    Rule,
    SparseLaw,
    Yield,
)
from shared.speculation.prints import VocabularyPrint
from shared.speculation.request import ImageReference, Message, Picture, SamplingParameters, SamplingWish, Text
from shared.speculation.traced import Span, SpanKind, Traced
from shared.wire.codec import (
    decode_info,
    decode_request,
    decode_response,
    encode_info,
    encode_request,
    encode_response,
    parse_info,
    parse_request,
    parse_response,
)
from shared.wire.handshake import (
    DeviceProfile,
    Drain,
    ImageChunk,
    ImageHeld,
    Limits,
    Open,
    Opened,
    Queued,
    Resume,
    ServerInfo,
    VocabularyWanted,
)
from shared.wire.v1 import verify_pb2 as pb

AnyWire: TypeAlias = pb.VerifyRequest | pb.VerifyResponse | pb.GetServerInfoResponse

LIMITS = Limits(
    max_window=4, context_length=100, max_images=2, max_image_bytes=1000, max_chunk_bytes=100, max_text_bytes=50
)
NAME = b"n" * 16
DIGEST = b"d" * 32
PRINT = VocabularyPrint(65, b"blocks!!")

VALID: dict[str, AnyWire] = {
    "open": encode_request(
        Open(
            messages=(Message("user", (Text("What is this?"), Picture(0))),),
            images=(ImageReference(DIGEST, 1000),),
            sampling=SamplingWish(logit_bias=((1, 2.0),), stop=("é" * 128,)),
            device=DeviceProfile(PRINT.reference, window=4, pace=Pace.EAGER, client="d" * 256),
            attend=Ratio(1.0),
        )
    ),
    "image_chunk": encode_request(ImageChunk(1, 900, b"x" * 100)),
    "propose": encode_request(
        Propose(0, 0, (7, 8, 9), 0b100, (0.25, 0.5), (0, 1, 1), (SparseLaw((7, 8), (1, 3)),) * 2)
    ),
    "yield": encode_request(Yield(True)),
    "finish": encode_request(Finish(FinishReason.DONE)),
    "resume": encode_request(Resume(NAME, NAME, 100)),
    "ping": encode_request(Ping()),
    "vocabulary": encode_request(PRINT),
    "opened": encode_response(
        Opened(NAME, NAME, SamplingParameters(max_tokens=5, stop=("end",)), 20, 15, 64, (63,), 4, Pace.EAGER, 60, NAME)
    ),
    "image_held": encode_response(ImageHeld((0, 1))),
    "queued": encode_response(Queued(1)),
    "commit": encode_response(Commit(97, (1, 2, 3), (1, 0), residual=ResidualRow((4, 5), (0.5, 0.25)), lossy=3)),
    "finished": encode_response(Finished(FinishReason.LENGTH, 100)),
    "drain": encode_response(Drain(5)),
    "vocabulary_wanted": encode_response(VocabularyWanted()),
    "pong": encode_response(Pong()),
    "traced": encode_response(Traced((Span(SpanKind.STEP, 5, 6, 7, 8, 8),), 1, 2, 3)),
    "attended": encode_response(Attended((((0, 0, 7, 9), (5, 5, 5, 5)), ((1, 2, 65535, 65535),)))),
    "info": encode_info(
        ServerInfo("m" * 256, "f", NAME, PRINT, DIGEST, DIGEST, LIMITS, (Pace.EAGER,), (Rule.COUPLED,), "1")
    ),
}


def changed(path: str, value: Any) -> AnyWire:
    """The valid message that `path` begins with, `value` put at `path`. A list replaces a whole list, None clears."""
    top, _, rest = path.partition(".")
    message = type(VALID[top])()
    message.CopyFrom(VALID[top])  # type: ignore[arg-type]  # the same type, which mypy does not follow
    owner: Any = message if top == "info" else getattr(message, top)
    *steps, last = rest.split(".")
    for step in steps:
        name, _, index = step.partition("[")
        owner = getattr(owner, name)[int(index[:-1])] if index else getattr(owner, name)
    name = last.partition("[")[0]
    if value is None or isinstance(value, list):
        owner.ClearField(name)
        getattr(owner, name).extend(value) if value else None
    else:
        setattr(owner, name, value)
    return message


def decoded(message: AnyWire) -> object:
    if isinstance(message, pb.VerifyRequest):
        return decode_request(parse_request(message.SerializeToString()), LIMITS)
    if isinstance(message, pb.VerifyResponse):
        return decode_response(parse_response(message.SerializeToString()), LIMITS)
    return decode_info(parse_info(message.SerializeToString()))


def refused(message: AnyWire) -> CovspecError:
    with pytest.raises(CovspecError) as caught:
        decoded(message)
    return caught.value
