"""All images of a request share one reservation; it is made before a pixel is decoded and ends with the images."""

from __future__ import annotations

import asyncio

import pytest
from PIL import Image

from benchmarks.fuzz.image_files import saved, seeds
from shared.errors import ImageError, InvalidValue
from shared.media.decoder import Encoded, ImageDecoder
from shared.media.images import cost_of
from tests.support.system import eventually

LIMIT = 10**6
FILE = Encoded(saved(Image.new("RGB", (100, 100), "red"), "PNG"), "cat.png")


async def test_memory_is_held_until_the_images_are_released() -> None:
    decoder = ImageDecoder(10**8)
    decoded = await decoder.decode([FILE, FILE], LIMIT)
    cost = cost_of(FILE.data, LIMIT, "cat.png")
    assert [image.size for image in decoded.images] == [(100, 100)] * 2
    assert decoder.budget.taken == cost.held + cost.decoding
    decoded.release()
    decoded.release()
    assert decoder.budget.taken == 0
    assert decoded.images == ()


async def test_no_image_takes_nothing() -> None:
    decoder = ImageDecoder(1)
    with await decoder.decode([], LIMIT) as images:
        assert images == ()
    assert decoder.budget.taken == 0


async def test_a_request_larger_than_all_there_is_is_refused_with_both_numbers() -> None:
    decoder = ImageDecoder(2**20)
    large = Encoded(saved(Image.new("RGB", (900, 900)), "PNG"), "cat.png")
    with pytest.raises(InvalidValue, match=r"\d+ MiB when decoded: .* at most 1 MiB"):
        await decoder.decode([large], LIMIT)
    assert decoder.budget.taken == 0


async def test_a_second_request_waits_for_the_first() -> None:
    decoder = ImageDecoder(round(1.5 * cost_of(FILE.data, LIMIT, "cat.png").decoding))
    first = await decoder.decode([FILE, FILE], LIMIT)
    second = asyncio.create_task(decoder.decode([FILE, FILE], LIMIT))
    await eventually(lambda: decoder.budget.waiting, 1)
    assert not second.done()
    first.release()
    (await second).release()
    assert decoder.budget.taken == 0


@pytest.mark.parametrize("broken", [b"?", seeds()["PNG RGB"][:-40]])
async def test_a_broken_image_leaves_nothing_reserved(broken: bytes) -> None:
    decoder = ImageDecoder(10**8)
    with pytest.raises(ImageError, match=r"dog\.png"):
        await decoder.decode([FILE, Encoded(broken, "dog.png")], LIMIT)
    assert decoder.budget.taken == 0


@pytest.mark.parametrize("rounds", [0, 1, 2, 3, 5, 8])
async def test_a_request_that_is_given_up_leaves_nothing_reserved(rounds: int) -> None:
    decoder = ImageDecoder(10**8)
    asking = asyncio.create_task(decoder.decode([FILE] * 8, LIMIT))
    for _ in range(rounds):
        await asyncio.sleep(0.0005)
    asking.cancel()
    await asyncio.wait([asking])
    if not asking.cancelled():
        asking.result().release()
    await eventually(lambda: decoder.budget.taken, 0)
