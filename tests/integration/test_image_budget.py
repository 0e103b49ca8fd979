"""Decoded images of all streams and requests share one budget: what does not fit waits, what never will is refused."""

from __future__ import annotations

import asyncio
import base64

import pytest
from PIL import Image

from benchmarks.fuzz.image_files import saved
from shared.errors import ImageError
from tests.support.endpoint import endpoint, raw
from tests.support.raw_device import RawDevice, chunks, opening
from tests.support.system import a_picture, asked, device, edge, exact, toy_draft

SIDE = 600
MIB_OF_ONE = 16.0  # 1.4 MiB decoded, 3.6 while it is made ready, 8 for strips of what is converted


async def test_openings_that_do_not_fit_together_are_all_answered_one_after_the_other() -> None:
    pictures = [a_picture(seed, SIDE) for seed in range(5)]
    async with edge(decode_mib=MIB_OF_ONE) as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        await asyncio.gather(*(exact(client, asked("what is it?", picture)) for picture in pictures))


async def test_an_opening_that_needs_more_than_all_there_is_is_refused_with_the_limit() -> None:
    pictures = [a_picture(seed, SIDE) for seed in range(3)]
    async with edge(decode_mib=10.0) as server, RawDevice(f"127.0.0.1:{server.port}") as hostile:
        refusal = await hostile.refusal(opening("?", *pictures), *chunks(*pictures))
        assert type(refusal.error) is ImageError
        assert "at most 10 MiB" in refusal.sentence
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            await exact(client, asked("what is it?", a_picture(9)))


def request(*pictures: bytes) -> dict[str, object]:
    """A chat completion about images."""
    parts: list[dict[str, object]] = [{"type": "text", "text": "what is it?"}]
    for picture in pictures:
        uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": uri}})
    return {"model": "target", "max_tokens": 4, "messages": [{"role": "user", "content": parts}]}


async def test_requests_at_the_endpoint_wait_for_each_other_s_images() -> None:
    pictures = [a_picture(seed, SIDE) for seed in range(4)]
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", decode_mib=MIB_OF_ONE) as served:
        answers = await asyncio.gather(*(raw(served.url, "/v1/chat/completions", request(one)) for one in pictures))
        assert [status for status, _, _ in answers] == [200] * 4
        status, _, body = await raw(served.url, "/v1/chat/completions", request(*pictures, *pictures[:4]))
        assert status == 400
        assert b"at most 16 MiB" in body


@pytest.mark.parametrize(
    ("limits", "pictures", "words"),
    [
        ({"max_image_megapixels": 0.3}, 1, b"360000 pixels are more than 300000"),
        ({"max_images": 1}, 2, b"1"),
        ({"max_image_mib": 0.001}, 1, b"1049 bytes"),
    ],
)
async def test_the_endpoint_refuses_by_the_edge_s_limits_before_it_decodes(
    limits: dict[str, float], pictures: int, words: bytes
) -> None:
    """Its own memory would not do for a single one: whoever decoded first would say so."""
    images = [saved(Image.effect_noise((SIDE, SIDE), 90), "PNG")] * pictures
    async with edge(**limits) as server, endpoint(f"127.0.0.1:{server.port}", decode_mib=1.0) as served:
        status, _, body = await raw(served.url, "/v1/chat/completions", request(*images))
        assert status == 400
        assert words in body
        assert b"MiB" not in body
