"""The edge's limits, held against a request before anything is sent; and what an edge says, in the request's words.

Guarantees: a client reads of its own fields, never of those of the stream between device and edge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from device_client.endpoint.reading import ChatRequest
from device_client.endpoint.refusals import TooMuchText
from device_client.endpoint.turns import Address, Turn, Words
from shared.excerpts import Shown
from shared.wire.checks import at_most
from shared.wire.codec_session import MAX_MESSAGES, MAX_PARTS
from shared.wire.handshake import Limits

_FIELD = re.compile(r"open\.(messages|images|sampling)\b((?:\[\d+\])*)((?:\.\w+(?:\[\d+\])?)*)")
_OWN = re.compile(r"(?:messages|logit_bias|stop)(?:\[\d+\])*(?:\.role)?")  # what a model says itself
_IMAGE = re.compile(r"(?:picture|image) (\d+)")
_NUMBERS = re.compile(r"\d+")


def check_limits(request: ChatRequest, limits: Limits) -> None:
    """Raises InvalidValue for what the edge would refuse."""
    parts = [part for turn in request.turns for part in turn.parts]
    at_most("messages", request.turns, MAX_MESSAGES, "messages")
    at_most("messages", parts, MAX_PARTS, "parts")
    at_most("messages", [part for part in parts if isinstance(part, Address)], limits.max_images, "pictures")
    size = sum(len(part.text.encode()) for part in parts if isinstance(part, Words))
    if size > limits.max_text_bytes:
        rule = f"must be at most {limits.max_text_bytes} bytes of text"
        raise TooMuchText("messages", Shown(f"{size} bytes of text"), rule)


def in_its_words(sentence: str, turns: Sequence[Turn]) -> tuple[str | None, str]:
    """The field of the request that `sentence` begins with, if any, and the sentence with the request's own paths."""
    said = _FIELD.sub(lambda found: _path(found, turns), sentence)
    if (first := _FIELD.match(sentence)) is not None:
        return _path(first, turns), said
    if (image := _IMAGE.match(sentence)) is not None:
        path = _image(int(image.group(1)), turns)
        return path, path + said[image.end() :]
    own = _OWN.match(sentence)
    return (None if own is None else own.group()), said


def _path(found: re.Match[str], turns: Sequence[Turn]) -> str:
    what, index, rest = found.groups()
    numbers = [int(number) for number in _NUMBERS.findall(index + rest)]
    if what == "sampling":
        return rest.removeprefix(".").replace("stop_ids", "stop_token_ids") or "the sampling"
    if what == "images":
        return _image(numbers[0], turns) if index else "messages"
    if index and numbers[0] < len(turns):
        own = turns[numbers[0]].parts
        if len(numbers) > 1 and numbers[1] < len(own):
            return own[numbers[1]].where
        return f"messages{index}{rest}"
    return "messages"


def _image(number: int, turns: Sequence[Turn]) -> str:
    """Where the image of this number, from 0, is."""
    paths = [part.where for turn in turns for part in turn.parts if isinstance(part, Address)]
    return paths[number] if number < len(paths) else "messages"
