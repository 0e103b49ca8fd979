"""What an edge says of itself holds: what is exactly at a limit is taken, one beyond is refused by the limit's name."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import pytest

from device_client.link import server_info
from shared.errors import CovspecError, ImageError, InvalidValue, Overloaded, PromptTooLong, Unsupported
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Judging, Pace, Rule
from shared.wire.handshake import Limits, Open, Opened
from tests.support.raw_device import PROFILE, RawDevice, RawStream, Sendable, at, chunks, eager, opened_at, opening
from tests.support.system import a_picture, edge, eventually, toy_target

PICTURE = a_picture(seed=1)  # 40 x 40
MIB = 2**20
CANCEL = Finish(FinishReason.CANCELLED)


@dataclass(frozen=True)
class Case:
    """A limit as an operator sets it, what is exactly at it, what is one beyond it and how that is refused."""

    limit: str
    told: int
    at: list[Sendable]
    beyond: list[Sendable]
    error: type[CovspecError]
    words: str
    config: dict[str, Any] = field(default_factory=dict)
    at_error: type[CovspecError] | None = None  # where another limit is in the way

    def __str__(self) -> str:
        return self.limit


def windowed(window: int) -> Open:
    return opening(device=replace(PROFILE, window=window))


def shown(*pictures: bytes, size: int = 16 * 1024) -> list[Sendable]:
    return [opening("?", *pictures), *chunks(*pictures, size=size)]


def words(count: int) -> list[Sendable]:
    """A prompt of two more tokens."""
    return [opening(" ".join(["word"] * count))]


def padded(size: int) -> bytes:
    """The picture in a file of `size` bytes."""
    return PICTURE + bytes(size - len(PICTURE))


SMALL = {"max_image_mib": (len(PICTURE) + 5) / MIB}
FEW_PIXELS = {"max_image_megapixels": 0.0016}
CASES = [
    Case("max_window", 9, [windowed(9)], [windowed(10)], InvalidValue, "open.device.window is 10", {"max_window": 9}),
    Case("context_length", 256, words(253), words(254), PromptTooLong, "prompt is 256"),
    Case(
        "max_images",
        2,
        shown(*[PICTURE] * 2),
        shown(*[PICTURE] * 3),
        InvalidValue,
        "open.images is 3 pictures: must be at most 2",
        {"max_images": 2},
    ),
    Case("max_images", 0, [opening()], shown(PICTURE), InvalidValue, "must be at most 0 pictures", {"max_images": 0}),
    Case(
        "max_image_bytes",
        len(PICTURE) + 5,
        shown(padded(len(PICTURE) + 5)),
        shown(padded(len(PICTURE) + 6)),
        InvalidValue,
        f"open.images[0].size is {len(PICTURE) + 6}",
        SMALL,
    ),
    Case(
        "max_image_pixels",
        1600,
        shown(PICTURE),
        shown(a_picture(seed=1, side=41)),
        ImageError,
        "picture 0 is (41, 41): its 1681 pixels are more than 1600",
        FEW_PIXELS,
    ),
    Case("max_image_pixels", 1599, [opening()], shown(PICTURE), ImageError, "1599", {"max_image_megapixels": 0.001599}),
    Case(
        "max_chunk_bytes",
        MIB,
        shown(padded(MIB + 1), size=MIB),
        shown(padded(MIB + 1), size=MIB + 1),
        InvalidValue,
        "image_chunk.data is 1048577 bytes: must be 1 to 1048576 bytes",
    ),
    Case(
        "max_text_bytes",
        MIB,
        [opening("x " * (MIB // 2))],
        [opening("x " * (MIB // 2) + "x")],
        InvalidValue,
        "open.messages is 1048577 bytes of text",
        at_error=PromptTooLong,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_is_at_a_limit_is_taken_and_one_beyond_is_refused_by_name(case: Case) -> None:
    async with edge(partial(toy_target, context_length=256), **case.config) as server, at(server) as device:
        assert getattr((await server_info(device.channel)).limits, case.limit) == case.told
        if case.at_error is None:
            await taken(await device.stream(*case.at))
        else:
            assert type((await device.refusal(*case.at)).error) is case.at_error
        refusal = await device.refusal(*case.beyond)
        assert type(refusal.error) is case.error
        assert case.words in refusal.sentence
        await eventually(lambda: server.places, 0)


async def taken(stream: RawStream) -> Opened:
    opened = await stream.until(Opened)
    await stream.send(CANCEL)
    await stream.until(Finished)
    await stream.ended()
    return opened


async def test_as_many_sessions_are_served_at_once_as_the_edge_says() -> None:
    async with edge(max_sessions=3, max_queue=0) as server, at(server) as device:
        told = (await server_info(device.channel)).limits.max_sessions
        streams = [(await opened_at(device, []))[0] for _ in range(told)]
        refusal = await device.refusal(opening())
        assert (told, type(refusal.error)) == (3, Overloaded)
        for stream in streams:
            await stream.send(CANCEL)
            await stream.until(Finished)


async def test_the_edge_goes_exactly_as_far_ahead_of_a_silent_device_as_it_says() -> None:
    async with edge(max_ahead=5) as server, at(server) as device:
        told = (await server_info(device.channel)).limits.max_ahead
        stream = await device.stream(eager(opening()))
        held: list[int] = []
        while len(held) < told:
            held += (await stream.until(Commit)).ids
        for _ in range(10):  # time for an edge that would go on
            await server_info(device.channel)
        await stream.send(CANCEL)
        assert (told, (await stream.until(Finished)).length) == (5, 5)


def test_every_limit_has_a_case() -> None:
    elsewhere = {"max_sessions", "max_ahead"}
    assert {case.limit for case in CASES} | elsewhere == {one.name for one in fields(Limits)}


@pytest.mark.parametrize("proposals", [True, False])
async def test_the_paces_and_rules_on_offer_are_taken_and_no_others(proposals: bool) -> None:
    async with edge(proposals=proposals) as server, at(server) as device:
        info = await server_info(device.channel)
        assert info.paces == ((Pace.EAGER, Pace.THRIFTY, Pace.AUTO) if proposals else (Pace.EAGER,))
        for pace in Pace:
            await offered(device, opening(device=replace(PROFILE, pace=pace)), pace in info.paces, "open.device.pace")
        for rule in Rule:
            profile = replace(PROFILE, pace=Pace.EAGER if rule is Rule.COUPLED else None, judging=Judging(rule))
            await offered(device, opening(device=profile), rule in info.rules, "open.device.rule")
        opened = await taken(await device.stream(opening(device=replace(PROFILE, pace=None))))
        assert opened.pace is info.paces[0]  # the first is what holds if nothing is said


async def offered(device: RawDevice, wish: Open, is_offered: bool, name: str) -> None:
    if is_offered:
        opened = await taken(await device.stream(wish))
        assert wish.device.pace in (opened.pace, None)
        return
    refusal = await device.refusal(wish)
    assert (type(refusal.error), name in refusal.sentence) == (Unsupported, True)


async def test_names_and_prints_are_those_of_the_model() -> None:
    target = toy_target(rows=200)
    async with edge(lambda: target) as server, at(server) as device:
        info, prints = await server_info(device.channel), target.info.prints
        assert (info.model, info.family) == (target.info.name, target.info.family)
        assert (info.vocabulary, info.special_tokens, info.chat_template) == (
            prints.vocabulary,
            prints.special_tokens,
            prints.chat_template,
        )
