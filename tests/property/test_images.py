"""Any bytes are a picture or an ImageError, and never anything else."""

from __future__ import annotations

import contextlib
import functools
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ImageError
from shared.media.images import open_image
from tests.support.tiny_qwen import picture

LIMIT = 4096
LIFE = settings(derandomize=True, deadline=None, max_examples=150)
KINDS = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "MPO", "ICO"]


@functools.cache
def encoded(kind: str) -> bytes:
    """A small picture in a file of `kind`."""
    buffer = io.BytesIO()
    picture(0, 32, 32).save(buffer, kind)
    return buffer.getvalue()


def opens_or_is_refused(data: bytes) -> None:
    """The law."""
    with contextlib.suppress(ImageError):
        opened = open_image(data, LIMIT, "cat.png")
        assert opened.mode == "RGB"
        assert 0 < opened.width * opened.height <= LIMIT


@LIFE
@given(st.binary(max_size=200))
def test_bytes_of_any_kind(data: bytes) -> None:
    opens_or_is_refused(data)


@LIFE
@given(st.sampled_from(KINDS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_picture_with_bytes_changed(kind: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(encoded(kind))
    for share, byte in changes:
        data[int(share * (len(data) - 1))] = byte
    opens_or_is_refused(bytes(data))


@LIFE
@given(st.sampled_from(KINDS), st.floats(0, 1), st.binary(max_size=20))
def test_a_picture_cut_short_and_gone_on_otherwise(kind: str, share: float, rest: bytes) -> None:
    data = encoded(kind)
    opens_or_is_refused(data[: int(share * len(data))] + rest)
