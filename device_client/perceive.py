"""Turns what a person gives, files and words, into a question: pictures are read once, as bytes and as seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from device_client.answer import Question
from shared.errors import ImageError
from shared.speculation.request import Message, Part, Picture, SamplingWish, Text
from shared.vlm.images import open_image

MAX_PIXELS = 256_000_000  # what this device opens; the edge's own limit is checked there


def perceive(pictures: Sequence[Path], prompt: str, sampling: SamplingWish) -> Question:
    """The question `prompt` about pictures in files. Raises ImageError naming the file."""
    encoded = tuple(_read(path) for path in pictures)
    images = tuple(open_image(data, MAX_PIXELS, str(path)) for data, path in zip(encoded, pictures, strict=True))
    parts: tuple[Part, ...] = (*(Picture(i) for i in range(len(pictures))), Text(prompt))
    return Question((Message("user", parts),), encoded, images, sampling)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failed:
        raise ImageError("picture", str(path), f"cannot be read: {failed.strerror}") from None
