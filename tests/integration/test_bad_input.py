"""Whatever a device sends, the edge answers with a status and a sentence, and everybody else is served on."""

from __future__ import annotations

import math
from typing import Any

import grpc
import pytest

from shared.errors import (
    InvalidValue,
    ModelMismatch,
    OutOfStep,
)
from shared.speculation.messages import Commit, Propose, Yield
from shared.vlm.toy_vocabulary import IMAGE
from shared.wire.handshake import ImageChunk, Opened, Resume
from shared.wire.v1 import verify_pb2 as pb
from tests.support.bad_input import INVALID, PICTURE, PRECONDITION, Case, check, unharmed
from tests.support.raw_device import (
    chunks,
    eager,
    opening,
    resume,
)
from tests.support.system import asked, device, edge, toy_draft, toy_target

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
            with pytest.raises(ModelMismatch, match="of the draft's 256 ids only 64"):
                await client.ask(asked())
        async with device(address, toy_draft(rows=64), window=9) as client:
            with pytest.raises(InvalidValue, match="window is 9: the edge's limit is 8"):
                await client.ask(asked())
        assert server.sessions == 0


@pytest.mark.parametrize("wish", [{"temperature": math.nan}, {"top_p": 0.0}, {"stop": ("",)}, {"max_tokens": 0}])
async def test_a_wish_that_no_edge_takes_is_refused_on_the_device(wish: dict[str, Any]) -> None:
    async with edge() as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        with pytest.raises(InvalidValue, match=f"sampling.{next(iter(wish))}"):
            await client.ask(asked("what?", **wish))
        assert server.places == 0


async def test_an_eager_answer_that_is_refused_in_its_middle_leaves_nothing() -> None:
    async with edge() as server, unharmed(server) as hostile:
        for _ in range(10):
            stream = await hostile.stream(eager(opening()))
            await stream.until(Commit)
            await stream.send(Propose(2**30, 2**30))
            assert "propose.seen" in (await stream.refusal()).sentence
