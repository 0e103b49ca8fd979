"""Pictures come up whole or not at all, and are kept within bounds."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.uploads import ImageStore, UploadRate, Uploads
from shared.errors import InvalidValue, OutOfStep
from shared.speculation.request import ImageReference
from shared.wire.handshake import ImageChunk

ONE, TWO = b"one" * 100, b"two" * 50


def store(*pictures: bytes, capacity: int = 10_000) -> ImageStore:
    kept = ImageStore(capacity)
    for picture in pictures:
        kept.put(ImageReference.of(picture).digest, picture)
    return kept


def uploads(*pictures: bytes, kept: ImageStore | None = None) -> Uploads:
    return Uploads([ImageReference.of(picture) for picture in pictures], kept or store())


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=20), st.integers(0, 1000))
def test_the_store_never_holds_more_than_its_capacity(pictures: list[bytes], capacity: int) -> None:
    kept = store(*pictures, capacity=capacity)
    held = {picture for picture in pictures if kept.get(ImageReference.of(picture).digest) == picture}
    assert sum(map(len, held)) <= capacity
    if pictures and len(pictures[-1]) <= capacity:
        assert pictures[-1] in held


def test_the_store_drops_what_was_not_used_for_longest() -> None:
    kept = store(b"a" * 40, b"b" * 40, capacity=100)
    assert kept.get(ImageReference.of(b"a" * 40).digest)
    kept.put(ImageReference.of(b"c" * 40).digest, b"c" * 40)
    assert kept.get(ImageReference.of(b"b" * 40).digest) is None
    assert kept.get(ImageReference.of(b"a" * 40).digest) == b"a" * 40


def test_what_is_larger_than_the_store_drops_nothing() -> None:
    kept = store(ONE, capacity=len(ONE))
    kept.put(ImageReference.of(ONE + TWO).digest, ONE + TWO)
    assert kept.get(ImageReference.of(ONE).digest) == ONE


@given(st.integers(1, 50), st.integers(1, 50), st.randoms(use_true_random=False))
async def test_pictures_in_any_parts_and_any_turn_come_whole(first: int, second: int, rng: random.Random) -> None:
    up = uploads(ONE, TWO)
    queues = [
        [ImageChunk(i, at, data[at : at + size]) for at in range(0, len(data), size)]
        for i, (data, size) in enumerate([(ONE, first), (TWO, second)])
    ]
    while queue := rng.choice([queue for queue in queues if queue] or [[]]):
        up.add(queue.pop(0))
    assert await up.complete(UploadRate()) == (ONE, TWO)


async def test_no_pictures_are_complete() -> None:
    assert await uploads().complete(UploadRate()) == ()


async def test_what_the_store_has_needs_no_chunks_and_minds_none() -> None:
    up = uploads(ONE, TWO, kept=store(ONE))
    assert up.held == (0,)
    up.add(ImageChunk(0, 0, b"whatever was on its way"))
    up.add(ImageChunk(1, 0, TWO))
    assert await up.complete(UploadRate()) == (ONE, TWO)


async def test_a_whole_picture_is_kept_for_the_next_question() -> None:
    kept = store()
    uploads(ONE, kept=kept).add(ImageChunk(0, 0, ONE))
    assert uploads(ONE, kept=kept).held == (0,)


async def test_a_picture_known_under_another_size_is_not_taken_for_held() -> None:
    digest = ImageReference.of(ONE).digest
    up = Uploads([ImageReference(digest, len(ONE) - 1)], store(ONE))
    assert up.held == ()
    with pytest.raises(InvalidValue, match="SHA-256"):
        up.add(ImageChunk(0, 0, ONE[:-1]))


@pytest.mark.parametrize(
    ("chunk", "error", "sentence"),
    [
        (ImageChunk(1, 0, b"x"), InvalidValue, "open names 1 pictures"),
        (ImageChunk(0, 1, b"x"), OutOfStep, "image_chunk.offset is 1: 0 bytes"),
        (ImageChunk(0, 0, ONE + b"x"), InvalidValue, "301 bytes.*the picture has 300"),
        (ImageChunk(0, 0, b"x" * 300), InvalidValue, "SHA-256"),
    ],
)
async def test_what_does_not_follow_is_refused_and_not_kept(
    chunk: ImageChunk, error: type[Exception], sentence: str
) -> None:
    kept = store()
    with pytest.raises(error, match=sentence):
        uploads(ONE, kept=kept).add(chunk)
    assert uploads(ONE, kept=kept).held == ()


async def test_a_chunk_after_the_last_is_refused() -> None:
    up = uploads(ONE)
    up.add(ImageChunk(0, 0, ONE))
    for chunk in (ImageChunk(0, 0, b"x"), ImageChunk(0, len(ONE), b"x")):
        with pytest.raises((InvalidValue, OutOfStep), match="image_chunk"):
            up.add(chunk)


async def test_who_waits_learns_why_nothing_more_comes() -> None:
    up = uploads(ONE)
    up.fail(OutOfStep("gone"))
    up.fail(OutOfStep("said twice"))
    with pytest.raises(OutOfStep, match="gone"):
        await up.complete(UploadRate())


async def test_pictures_that_stop_coming_are_waited_for_only_so_long() -> None:
    with pytest.raises(OutOfStep, match=r"nothing came for 0\.01 s; 0 bytes"):
        await uploads(ONE).complete(UploadRate(0.01, 1))


async def test_pictures_that_come_too_slowly_are_refused_unless_the_edge_makes_them_wait() -> None:
    for waits in (False, True):
        up = uploads(ONE)
        waiting = asyncio.create_task(up.complete(UploadRate(0.02, 100), lambda waits=waits: waits))  # type: ignore[misc]
        for at in range(len(ONE) - 1):  # a byte now and then
            await asyncio.sleep(0.002)
            if not waiting.done():
                up.add(ImageChunk(0, at, ONE[at : at + 1]))
            else:
                break
        if waits:
            up.add(ImageChunk(0, len(ONE) - 1, ONE[-1:]))
            assert await waiting == (ONE,)
        else:
            with pytest.raises(OutOfStep, match=r"\d+ bytes came for 0\.02 s, at least 100 must"):
                await waiting


async def test_what_is_whole_is_let_go_of_and_takes_nothing_more() -> None:
    up = uploads(ONE)
    up.add(ImageChunk(0, 0, ONE))
    assert await up.complete(UploadRate()) == (ONE,)
    for offset in (0, len(ONE)):
        with pytest.raises(OutOfStep, match="300 bytes of picture 0 are here"):
            up.add(ImageChunk(0, offset, b"x"))


async def test_a_held_picture_may_come_once_and_no_more() -> None:
    up = uploads(ONE, kept=store(ONE))
    up.add(ImageChunk(0, 0, ONE))
    with pytest.raises(InvalidValue, match=r"301 bytes.*open says 300"):
        up.add(ImageChunk(0, 0, b"x"))


async def test_a_picture_of_one_tenant_is_unknown_to_others() -> None:
    kept, references = store(), [ImageReference.of(ONE)]
    Uploads(references, kept, "alice").add(ImageChunk(0, 0, ONE))
    assert [Uploads(references, kept, name).held for name in ("alice", "bob", "")] == [(0,), (), ()]
    digest = references[0].digest
    assert (kept.get(digest, "alice"), kept.get(digest, "bob")) == (ONE, None)
