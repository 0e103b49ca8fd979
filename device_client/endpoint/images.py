"""The images of a chat completion: fetched or read as files, within the edge's limits; and the chat that has them.

Guarantees: an image that cannot be used is refused with its path in the request, before anything is decoded if the edge
would refuse it. Words alone wait for nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from PIL import Image

from device_client.chat import Chat, SeenPicture
from device_client.data_uri import decoded, is_data_uri
from device_client.endpoint.intake import Intake
from device_client.endpoint.reading import ChatRequest
from device_client.endpoint.refusals import UnsupportedField, first_of
from device_client.endpoint.turns import Address, Words
from device_client.fetching import Fetcher
from device_client.pictures import MAX_BYTES, is_url
from shared.errors import CovspecError, ImageError
from shared.excerpts import Shown
from shared.media.decoder import Encoded
from shared.speculation.request import Message, Part, Picture, Text
from shared.wire.handshake import Limits

_SIDE_BY_SIDE = 4  # images of one request that are fetched at once: fewer than all may be, so that it can be done


class ImageFiles:
    """Reads the images of requests, with `fetcher` those at addresses; None: nobody may name any."""

    def __init__(self, intake: Intake, fetcher: Fetcher | None) -> None:
        self._intake = intake
        self._fetcher = fetcher

    async def read(self, wanted: ChatRequest, limits: Limits, take: Callable[[int], None]) -> list[Encoded]:
        """The images in their order, not decoded; `take` is told of fetched bytes.

        Raises ImageError, Unsupported, Overloaded.
        """
        addresses = [part for turn in wanted.turns for part in turn.parts if isinstance(part, Address)]
        for address in addresses:
            self._check(address)
        few = asyncio.Semaphore(_SIDE_BY_SIDE)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._file(address, limits, take, few)) for address in addresses]
        except* CovspecError as refused:
            raise first_of(refused) from None
        return [task.result() for task in tasks]

    def _check(self, address: Address) -> None:
        if is_data_uri(address.uri):
            return
        if not is_url(address.uri):
            rule = "must be a data URI such as data:image/png;base64,… or, with --allow-url, an http(s) URL"
            raise ImageError(address.where, Shown("no such address"), rule)
        if self._fetcher is None:
            sentence = f"{address.where} is a URL: this endpoint fetches images only with --allow-url"
            raise UnsupportedField(address.where, sentence)

    async def _file(
        self, address: Address, limits: Limits, take: Callable[[int], None], few: asyncio.Semaphore
    ) -> Encoded:
        if is_data_uri(address.uri):
            data = await self._intake.beside(decoded, address.uri, address.where)
        else:
            assert self._fetcher is not None
            most = min(MAX_BYTES, limits.max_image_bytes)
            async with few:
                data = await self._fetcher.fetch(address.uri, address.where, most, take)
        if len(data) > limits.max_image_bytes:
            rule = f"must have at most {limits.max_image_bytes} bytes"
            raise ImageError(address.where, Shown(f"{len(data)} bytes"), rule)
        return Encoded(data, address.where)


def chat_of(wanted: ChatRequest, files: Sequence[Encoded], images: Sequence[Image.Image]) -> Chat:
    """The chat with its images as files and decoded."""
    messages: list[Message] = []
    places = iter(range(len(files)))
    for turn in wanted.turns:
        parts: list[Part] = []
        for part in turn.parts:
            parts.append(Text(part.text) if isinstance(part, Words) else Picture(next(places)))
        messages.append(Message(turn.role, tuple(parts)))
    seen = (SeenPicture(file.data, image) for file, image in zip(files, images, strict=True))
    return Chat(tuple(messages), tuple(seen))
