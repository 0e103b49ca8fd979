"""Whatever a device sends, the edge answers with a status and a sentence, and everybody else is served on."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest

from edge_server.server import EdgeServer
from shared.errors import (
    CovspecError,
    ImageError,
    InvalidValue,
    ModelMismatch,
    OutOfStep,
    PromptTooLong,
    UnknownSession,
    Unsupported,
)
from shared.speculation.messages import Commit, Finish, FinishReason, Propose, Yield
from shared.speculation.request import ImageReference, Message, Text
from shared.vlm.toy_vocabulary import IMAGE
from shared.wire.codec import encode_request
from shared.wire.handshake import ImageChunk, Open, Opened, Resume, Rule
from shared.wire.v1 import verify_pb2 as pb
from tests.support.raw_device import (
    OTHER_VOCABULARY,
    PROFILE,
    RawDevice,
    Refusal,
    Sendable,
    chunks,
    eager,
    opening,
    resume,
)
from tests.support.system import a_picture, asked, bystander, device, edge, eventually, exact, toy_draft, toy_target

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

PICTURE = a_picture(seed=1)
LARGE = a_picture(seed=2, side=200)
TEXT = b"these are not the pixels you are looking for"


@dataclass(frozen=True)
class Case:
    """What is sent, and what has to come back: the code, the error and words of the sentence."""

    name: str
    sent: list[Sendable]
    code: grpc.StatusCode
    error: type[CovspecError]
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


@asynccontextmanager
async def unharmed(server: EdgeServer) -> AsyncIterator[RawDevice]:
    """A hostile device beside a good one. Afterwards nothing is held and a fresh stream is answered exactly."""
    address = f"127.0.0.1:{server.port}"
    async with bystander(server), RawDevice(address) as hostile:
        yield hostile
    await eventually(lambda: server.sessions, 0)
    async with device(address, toy_draft()) as client:
        await exact(client, asked("and you, are you well?", PICTURE))


def check(refusal: Refusal, case: Case) -> None:
    assert refusal.code is case.code
    assert type(refusal.error) is case.error
    for words in case.words:
        assert words in refusal.sentence


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
    Case("no picture", [NOT_A_PICTURE, *chunks(TEXT)], INVALID, ImageError, ("picture 0", "these ar", "begins with")),
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
        [opening(device=replace(PROFILE, vocabulary=OTHER_VOCABULARY))],
        PRECONDITION,
        ModelMismatch,
        ("of the draft's 256 ids only the first 0", "at least half must"),
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
        "the rejection rule",
        [opening(device=replace(PROFILE, rule=Rule.REJECTION))],
        grpc.StatusCode.UNIMPLEMENTED,
        Unsupported,
        ("open.device.rule is rejection", "coupled"),
    ),
    Case(
        "pace auto",
        [changed(opening(), device__pace=pb.PACE_AUTO)],
        grpc.StatusCode.UNIMPLEMENTED,
        Unsupported,
        ("open.device.pace is PACE_AUTO", "PACE_EAGER or PACE_THRIFTY"),
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
        "finish before the picture is there",
        [opening("?", PICTURE), Finish(FinishReason.CANCELLED)],
        PRECONDITION,
        OutOfStep,
        ("before the pictures were complete",),
    ),
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


AFTER_OPENED = [  # the window is 8, one token is committed
    Case("a placeholder", [Propose(1, 1, (30, IMAGE))], INVALID, InvalidValue, ("propose.ids is 1", "a picture")),
    Case("an id beyond the rows", [Propose(1, 1, (256,))], INVALID, InvalidValue, ("propose.ids is 256", "below 256")),
    Case(
        "more than the window",
        [Propose(1, 1, (30,) * 9)],
        INVALID,
        InvalidValue,
        ("propose.ids is '9 ids beyond seen'", "the window is 8"),
    ),
    Case(
        "more than any window",
        [Propose(1, 1, (30,) * 33)],
        INVALID,
        InvalidValue,
        ("propose.ids is 33 ids", "at most 32"),
    ),
    Case("a gap", [Propose(1, 5, (30,))], PRECONDITION, OutOfStep, ("propose.base is 5",)),
    Case("a base before seen", [Propose(1, 0, (30,))], INVALID, InvalidValue, ("propose.base is 0", "at least")),
    Case(
        "more seen than committed",
        [Propose(2, 2)],
        INVALID,
        InvalidValue,
        ("propose.seen is 2", "between 0 and 1"),
    ),
    Case(
        "less seen than before",
        [Propose(1, 1), Propose(0, 0)],
        INVALID,
        InvalidValue,
        ("propose.seen is 0", "between 1 and 1"),
    ),
    Case("a position beyond all", [Propose(2**31, 2**31)], INVALID, InvalidValue, ("propose.seen is 2147483648",)),
    Case(
        "a bit that belongs to no id",
        [Propose(1, 1, (30,), given=0b10)],
        INVALID,
        InvalidValue,
        ("propose.given is 2", "must be below 2"),
    ),
    Case("a second open", [opening()], PRECONDITION, OutOfStep, ("a stream carries one answer",)),
    Case("a resume", [Resume(b"n" * 16, b"t" * 16, 0)], PRECONDITION, OutOfStep, ("a stream carries one answer",)),
    Case("a picture", [ImageChunk(0, 0, b"x")], INVALID, InvalidValue, ("image_chunk.image is 0", "0 pictures")),
    Case("garbage", [b"\x0a\xff"], INVALID, InvalidValue, ("request is 2 bytes",)),
    Case("an empty message", [b""], INVALID, InvalidValue, ("request.payload is not set",)),
    Case(
        "an end that is not a device's to say",
        [pb.VerifyRequest(finish=pb.Finish(reason=pb.FINISH_REASON_EOS))],
        INVALID,
        InvalidValue,
        ("finish.reason is FINISH_REASON_EOS", "CANCELLED or FINISH_REASON_DONE"),
    ),
]


@pytest.mark.parametrize("case", AFTER_OPENED, ids=str)
async def test_what_breaks_a_rule_ends_its_own_answer_alone(case: Case) -> None:
    async with edge() as server, unharmed(server) as hostile:
        stream = await hostile.stream(opening())
        await stream.until(Commit)
        await stream.send(*case.sent)
        check(await stream.refusal(), case)


async def test_a_message_over_the_size_limit_is_refused() -> None:
    async with edge(park_seconds=0) as server, unharmed(server) as hostile:
        for first in ([], [opening()]):
            stream = await hostile.stream(*first)
            if first:
                await stream.until(Commit)
            await stream.send(bytes(4 * 2**20 + 1))
            refusal = await stream.refusal()
            assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "4194305 vs. 4194304" in refusal.sentence


async def test_a_stream_that_says_nothing_at_all_is_refused() -> None:
    async with edge() as server, unharmed(server) as hostile:
        stream = await hostile.stream()
        await stream.half_close()
        check(await stream.refusal(), Case("", [], PRECONDITION, OutOfStep, ("ended before its first message",)))


async def test_a_half_close_before_opened_frees_the_place() -> None:
    async with edge(max_sessions=2) as server, unharmed(server) as hostile:
        for _ in range(3):
            stream = await hostile.stream(opening("?", PICTURE), *chunks(PICTURE)[:-1])
            await stream.half_close()
            check(await stream.refusal(), Case("", [], PRECONDITION, OutOfStep, ("ended without finish",)))


async def test_a_half_close_in_the_middle_parks_the_session() -> None:
    async with edge(park_seconds=60) as server, unharmed(server) as hostile:
        stream = await hostile.stream(opening())
        opened = await stream.until(Opened)
        await stream.until(Commit)
        await stream.half_close()
        check(await stream.refusal(), Case("", [], PRECONDITION, OutOfStep, ("parked and can be resumed",)))
        again = await hostile.stream(resume(opened, seen=1), Yield(True))
        await again.until(Opened)
        held = [7]
        await again.rest(held)
        assert len(held) == 40
        await again.goodbye()


async def test_a_wrong_token_is_answered_as_an_unknown_session_is() -> None:
    async with edge() as server, unharmed(server) as hostile:
        stream = await hostile.stream(opening())
        opened = await stream.until(Opened)
        wrong = await hostile.refusal(Resume(opened.session, bytes(16), 0))
        unknown = await hostile.refusal(Resume(bytes(16), opened.token, 0))
        nothing = await hostile.refusal(Resume(bytes(16), bytes(16), 0))
        assert wrong.code is unknown.code is nothing.code is grpc.StatusCode.NOT_FOUND
        assert wrong.sentence == unknown.sentence == nothing.sentence
        await stream.send(Yield(True))
        await stream.until(Commit)
        await stream.rest(held := [0])  # whoever guessed has disturbed nobody
        await stream.goodbye()
        assert len(held) == 40


async def test_a_resume_beyond_what_is_committed_ends_the_session() -> None:
    async with edge() as server, unharmed(server) as hostile:
        stream = await hostile.stream(opening())
        opened = await stream.until(Opened)
        await stream.until(Commit)
        stream.cancel()
        refusal = await hostile.refusal(resume(opened, seen=2))
        check(refusal, Case("", [], PRECONDITION, OutOfStep, ("resume.seen is 2", "between 0 and 1")))
        assert (await hostile.refusal(resume(opened, seen=1))).code is grpc.StatusCode.NOT_FOUND


async def test_a_device_that_cannot_fit_is_told_before_it_asks() -> None:
    async with edge(lambda: toy_target(rows=64), max_window=8) as server:
        address = f"127.0.0.1:{server.port}"
        async with device(address, toy_draft()) as client:
            with pytest.raises(ModelMismatch, match="of the draft's 256 ids only the first 64"):
                await client.ask(asked())
        async with device(address, toy_draft(rows=64), window=9) as client:
            with pytest.raises(InvalidValue, match="window is 9: the edge's limit is 8"):
                await client.ask(asked())
        assert server.sessions == 0


@pytest.mark.parametrize("wish", [{"temperature": math.nan}, {"top_p": 0.0}, {"stop": ("",)}, {"max_tokens": 0}])
async def test_a_wish_that_no_edge_takes_is_refused_on_the_device(wish: dict[str, Any]) -> None:
    async with edge() as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        answer = await client.ask(asked("what?", **wish))
        with pytest.raises(InvalidValue, match=f"open.sampling.{next(iter(wish))}"):
            [piece async for piece in answer.pieces()]


async def test_an_eager_answer_that_is_refused_in_its_middle_leaves_nothing() -> None:
    async with edge() as server, unharmed(server) as hostile:
        for _ in range(10):
            stream = await hostile.stream(eager(opening()))
            await stream.until(Commit)
            await stream.send(Propose(2**30, 2**30))
            assert "propose.seen" in (await stream.refusal()).sentence
