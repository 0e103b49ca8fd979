"""Turns what a person gives, pictures and words, into a question: pictures are read once, as bytes and as seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from device_client.answer import Question
from device_client.chat import Chat
from device_client.pictures import read_picture
from shared.speculation.request import SamplingWish


def perceive(pictures: Sequence[Path], prompt: str, sampling: SamplingWish) -> Question:
    """The question `prompt` about pictures in files. Raises ImageError naming the file."""
    return Chat().asked(prompt, [read_picture(str(path)) for path in pictures]).question(sampling)
