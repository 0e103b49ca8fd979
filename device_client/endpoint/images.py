"""The images of a chat completion: which there are, what the edge would refuse of them, and the chat that has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PIL import Image

from device_client.chat import Chat, SeenPicture
from device_client.endpoint.reading import Address, ChatRequest, Words
from shared.errors import ImageError, InvalidValue
from shared.media.decoder import Encoded
from shared.speculation.request import Message, Part, Picture, Text
from shared.wire.handshake import Limits


def addresses(wanted: ChatRequest) -> Iterator[str]:
    """The URIs of the images, in their order."""
    for turn in wanted.turns:
        for part in turn.parts:
            if isinstance(part, Address):
                yield part.uri


def check_images(files: Sequence[Encoded], limits: Limits) -> None:
    """Refuse what the edge would, before anything is decoded. Raises InvalidValue, ImageError."""
    if len(files) > limits.max_images:
        raise InvalidValue("messages", f"{len(files)} images", f"must have at most {limits.max_images} images")
    for file in files:
        if len(file.data) > limits.max_image_bytes:
            rule = f"must have at most {limits.max_image_bytes} bytes"
            raise ImageError(file.name, f"{len(file.data)} bytes", rule)


def chat_of(wanted: ChatRequest, files: Sequence[Encoded], images: Sequence[Image.Image]) -> Chat:
    """The chat with its images as files and decoded."""
    messages: list[Message] = []
    place = 0
    for turn in wanted.turns:
        parts: list[Part] = []
        for part in turn.parts:
            match part:
                case Words(text):
                    parts.append(Text(text))
                case Address():
                    parts.append(Picture(place))
                    place += 1
        messages.append(Message(turn.role, tuple(parts)))
    seen = (SeenPicture(file.data, image) for file, image in zip(files, images, strict=True))
    return Chat(tuple(messages), tuple(seen))
