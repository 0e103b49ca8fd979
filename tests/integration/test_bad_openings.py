"""What cannot be opened is refused with a status and a sentence, and everybody else is served on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import grpc
import pytest

from shared.errors import (
    ImageError,
    InvalidValue,
    ModelMismatch,
    OutOfStep,
    PromptTooLong,
    UnknownSession,
    Unsupported,
)
from shared.speculation.messages import Finish, FinishReason, Judging, Pace, Propose, Rule
from shared.speculation.request import ImageReference, Message, Text
from shared.vlm.toy import ToyVlm
from shared.vlm.toy_vocabulary import IMAGE
from shared.wire.codec import encode_request
from shared.wire.handshake import ImageChunk, Open, Resume
from shared.wire.v1 import verify_pb2 as pb
from tests.support.bad_input import INVALID, PICTURE, PRECONDITION, Case, check, unharmed
from tests.support.raw_device import (
    OTHER_VOCABULARY,
    PROFILE,
    chunks,
    opening,
)
from tests.support.system import a_picture, edge, toy_target

NARROW = ToyVlm(rows=128).info.prints.vocabulary
LARGE = a_picture(seed=2, side=200)
TEXT = b"these are not the pixels you are looking for"


def changed(opened: Open, **fields: Any) -> pb.VerifyRequest:
    """An Open with plain fields set to what our own encoder would not send."""
    request = encode_request(opened)
    for path, value in fields.items():
        *owners, last = path.split("__")
        owner: Any = request.open
        for name in owners:
            owner = getattr(owner, name)
        if isinstance(value, list):
            getattr(owner, last).extend(value)
        else:
            setattr(owner, last, value)
    return request


def misnamed(picture: bytes, **changes: Any) -> Open:
    """An Open whose reference of `picture` is not right."""
    return replace(opening("?", picture), images=(replace(ImageReference.of(picture), **changes),))


NOT_A_PICTURE = opening("?", TEXT)
TRUNCATED = PICTURE[: len(PICTURE) // 2]

BEFORE_OPENED = [
    Case("no picture", [NOT_A_PICTURE, *chunks(TEXT)], INVALID, ImageError, ("picture 0 is a text", "PNG, JPEG")),
    Case(
        "a truncated picture",
        [opening("?", TRUNCATED), *chunks(TRUNCATED)],
        INVALID,
        ImageError,
        ("picture 0", "PNG", "cut short or broken"),
    ),
    Case(
        "an empty picture",
        [changed(misnamed(PICTURE), images=[pb.ImageReference(sha256=b"d" * 32, size=0)])],
        INVALID,
        InvalidValue,
        ("open.images[1].size is 0", "between 1 and"),
    ),
    Case(
        "an empty chunk",
        [opening("?", PICTURE), ImageChunk(0, 0, b"")],
        INVALID,
        InvalidValue,
        ("image_chunk.data is 0 bytes", "1 to 1048576"),
    ),
    Case(
        "too many pixels",
        [opening("?", LARGE), *chunks(LARGE)],
        INVALID,
        ImageError,
        ("picture 0 is (200, 200)", "40000 pixels", "10000, the limit"),
    ),
    Case(
        "another picture than was named",
        [misnamed(PICTURE, digest=b"d" * 32), *chunks(PICTURE)],
        INVALID,
        InvalidValue,
        ("picture 0", "SHA-256"),
    ),
    Case(
        "a gap between chunks",
        [opening("?", PICTURE), ImageChunk(0, 7, PICTURE[7:])],
        PRECONDITION,
        OutOfStep,
        ("image_chunk.offset is 7", "0 bytes of picture 0"),
    ),
    Case(
        "more bytes than announced",
        [misnamed(PICTURE, size=100), *chunks(PICTURE)],
        INVALID,
        InvalidValue,
        (f"image_chunk.data is '{len(PICTURE)} bytes'", "100"),
    ),
    Case(
        "a picture beyond the limit",
        [misnamed(PICTURE, size=2**20)],
        INVALID,
        InvalidValue,
        ("open.images[0].size is 1048576", "between 1 and 524288"),
    ),
    Case(
        "a chunk of a picture that is not there",
        [opening("?", PICTURE), ImageChunk(3, 0, PICTURE)],
        INVALID,
        InvalidValue,
        ("image_chunk.image is 3", "1 pictures"),
    ),
    Case(
        "a place without a picture",
        [changed(opening(), messages=[pb.Message(role="user", parts=[pb.Part(image=0)])])],
        INVALID,
        InvalidValue,
        ("open.messages[1].parts[0].image is 0", "must be below 0"),
    ),
    Case(
        "a picture without a place",
        [replace(opening("?", PICTURE), messages=(Message("user", (Text("?"),)),)), *chunks(PICTURE)],
        INVALID,
        InvalidValue,
        ("images is 0", "no message has a place"),
    ),
    Case(
        "a vocabulary that does not fit",
        [opening(device=replace(PROFILE, vocabulary=OTHER_VOCABULARY.reference)), OTHER_VOCABULARY],
        PRECONDITION,
        ModelMismatch,
        ("of the draft's 256 ids only 0", "at least half must"),
    ),
    Case(
        "a vocabulary that is not the one that was named",
        [
            opening(device=replace(PROFILE, vocabulary=replace(OTHER_VOCABULARY.reference, digest=b"d" * 16))),
            OTHER_VOCABULARY,
        ],
        INVALID,
        InvalidValue,
        ("vocabulary.blocks is 16 bytes", "their digest is not the one that open named"),
    ),
    Case(
        "a vocabulary that was not asked for",
        [opening(), ToyVlm().info.prints.vocabulary],
        PRECONDITION,
        OutOfStep,
        ("vocabulary came", "has not asked for it"),
    ),
    Case(
        "a vocabulary of a device that has named none",
        [opening(device=replace(PROFILE, vocabulary=None)), OTHER_VOCABULARY],
        PRECONDITION,
        OutOfStep,
        ("vocabulary came", "has not asked for it"),
    ),
    Case(
        "a vocabulary that comes twice",
        [opening("?", PICTURE, device=replace(PROFILE, vocabulary=NARROW.reference)), NARROW, NARROW],
        PRECONDITION,
        OutOfStep,
        ("vocabulary came a second time",),
    ),
    Case(
        "a window beyond the limit",
        [opening(device=replace(PROFILE, window=33))],
        INVALID,
        InvalidValue,
        ("open.device.window is 33", "between 1 and 32"),
    ),
    Case(
        "a prompt beyond the context",
        [opening(" ".join(["word"] * 300))],
        grpc.StatusCode.OUT_OF_RANGE,
        PromptTooLong,
        ("prompt is 302", "256 tokens of prompt and answer"),
    ),
    Case("another protocol version", [changed(opening(), protocol_version=2)], PRECONDITION, ModelMismatch, ("2", "1")),
    Case(
        "the rejection rule at another pace",
        [opening(device=replace(PROFILE, pace=Pace.EAGER, judging=Judging(Rule.REJECTION)))],
        grpc.StatusCode.UNIMPLEMENTED,
        Unsupported,
        ("open.device.pace is eager", "thrifty"),
    ),
    Case(
        "a gate where every token is compared",
        [opening(device=replace(PROFILE, judging=Judging(lossy=True)))],
        grpc.StatusCode.UNIMPLEMENTED,
        Unsupported,
        ("open.device.lossy is set", "--allow-lossy"),
    ),
    Case(
        "an evidence that nobody knows",
        [changed(opening(device=replace(PROFILE, judging=Judging(Rule.REJECTION))), device__evidence=9)],
        INVALID,
        InvalidValue,
        ("open.device.evidence is 9", "EVIDENCE_SCALAR, EVIDENCE_POINT, EVIDENCE_SPARSE or EVIDENCE_DENSE"),
    ),
    Case(
        "a pace that nobody knows",
        [changed(opening(), device__pace=9)],
        INVALID,
        InvalidValue,
        ("open.device.pace is 9", "PACE_EAGER, PACE_THRIFTY or PACE_AUTO"),
    ),
    Case(
        "no temperature at all",
        [changed(opening(), sampling__temperature=math.nan)],
        INVALID,
        InvalidValue,
        ("open.sampling.temperature is nan", "between 0.0 and 100.0"),
    ),
    Case(
        "too many stop ids",
        [changed(opening(), sampling__stop_ids=[7] * 1025)],
        INVALID,
        InvalidValue,
        ("open.sampling.stop_ids is 1025 ids", "at most 1024"),
    ),
    Case(
        "an empty stop string",
        [changed(opening(), sampling__stop=[""])],
        INVALID,
        InvalidValue,
        ("open.sampling.stop is ''", "every answer"),
    ),
    Case(
        "a bias of an id beyond the rows",
        [changed(opening(), sampling__logit_bias=[pb.LogitBias(id=256, bias=1)])],
        INVALID,
        InvalidValue,
        ("open.sampling.logit_bias is 256", "below 256"),
    ),
    Case(
        "ends of sequence, which are the edge's to say",
        [changed(opening(), sampling__eos_ids=[2])],
        INVALID,
        InvalidValue,
        ("open.sampling.eos_ids", "edge's to say"),
    ),
    Case(
        "an unknown role",
        [changed(opening(), messages=[pb.Message(role="oracle")])],
        INVALID,
        InvalidValue,
        ("open.messages[1].role is 'oracle'", "system, user or assistant"),
    ),
    Case(
        "committed ids beyond the rows",
        [opening(committed=(7, 256))],
        INVALID,
        InvalidValue,
        ("open.committed is 256", "below 256"),
    ),
    Case(
        "a committed placeholder",
        [opening(committed=(30, IMAGE))],
        INVALID,
        InvalidValue,
        (f"open.committed is {IMAGE}", "stands for a picture"),
    ),
    Case(
        "committed tokens that go on beyond the end",
        [opening(committed=(30,) * 41)],
        INVALID,
        InvalidValue,
        ("open.committed is '41 tokens'", "ended after 40"),
    ),
    Case("garbage", [b"\xff\xff garbage"], INVALID, InvalidValue, ("request is 10 bytes", "VerifyRequest")),
    Case("garbage after open", [opening("?", PICTURE), b"\xff"], INVALID, InvalidValue, ("request is 1 bytes",)),
    Case("an empty message", [b""], INVALID, InvalidValue, ("request.payload is not set", "open")),
    Case("a propose first", [Propose(0, 0, (7,))], PRECONDITION, OutOfStep, ("open or resume, not propose",)),
    Case("a finish first", [Finish(FinishReason.DONE)], PRECONDITION, OutOfStep, ("open or resume, not finish",)),
    Case(
        "a second open before opened",
        [opening("?", PICTURE), opening()],
        PRECONDITION,
        OutOfStep,
        ("a stream carries one answer",),
    ),
    Case(
        "an early proposal beyond the text",
        [opening("?", PICTURE), Propose(1, 1, (30,))],
        INVALID,
        InvalidValue,
        ("propose.seen is 1", "between 0 and 0"),
    ),
    Case(
        "a session that nobody knows",
        [Resume(b"n" * 16, b"t" * 16, 0)],
        grpc.StatusCode.NOT_FOUND,
        UnknownSession,
        ("no such session here",),
    ),
    Case(
        "a session's name of another length",
        [Resume(b"short", b"t" * 16, 0)],
        INVALID,
        InvalidValue,
        ("resume.session is 5 bytes", "16 bytes"),
    ),
]


@pytest.mark.parametrize("case", BEFORE_OPENED, ids=str)
async def test_what_cannot_be_opened_is_refused_by_name(case: Case) -> None:
    small = {"max_image_megapixels": 0.01, "max_image_mib": 0.5}
    async with edge(lambda: toy_target(context_length=256), **small) as server, unharmed(server) as hostile:
        check(await hostile.refusal(*case.sent), case)
