"""Pictures on their way up: chunks of one request put together, and whole pictures kept by content.

Guarantees: a picture is whole and is what its reference says before anyone sees it; nothing is kept beyond the limits.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from shared.errors import CovspecError, InvalidValue, OutOfStep, Overloaded
from shared.speculation.request import ImageReference
from shared.wire.handshake import ImageChunk

ROOM_SECONDS = 20.0  # until there is room for a chunk


@dataclass(frozen=True)
class UploadRate:
    """Of pictures on their way up: in any `seconds` at least `least` bytes come, or the rest of them."""

    seconds: float = 20.0
    least: int = 20 * 16 * 1024  # 128 kbit/s: less is no link for pictures


class ImageStore:
    """Encoded pictures by tenant and digest, the least recently used ones dropped beyond `capacity` bytes.

    Nobody learns that another tenant has sent a picture.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, digest: bytes, tenant: str = "") -> bytes | None:
        """The picture, if `tenant` has sent it and it is held."""
        data = self._held.get((tenant, digest))
        if data is not None:
            self._held.move_to_end((tenant, digest))
        return data

    def put(self, digest: bytes, data: bytes, tenant: str = "") -> None:
        """Hold a picture of `tenant`, if it fits at all."""
        if (tenant, digest) in self._held or len(data) > self._capacity:
            return
        self._held[tenant, digest] = data
        self._bytes += len(data)
        while self._bytes > self._capacity:
            _, dropped = self._held.popitem(last=False)
            self._bytes -= len(dropped)


class UploadRoom:
    """Bytes of pictures that all openings of an edge hold together, until their prompts are made."""

    def __init__(self, capacity: int, patience: float = ROOM_SECONDS) -> None:
        self._left = self._capacity = capacity
        self._patience = patience
        self._freed = asyncio.Event()

    @contextmanager
    def share(self) -> Iterator[UploadShare]:
        """What one opening holds, which is free again at the end of the block."""
        share = UploadShare(self)
        try:
            yield share
        finally:
            self._left += share.size
            self._freed.set()

    async def take(self, size: int) -> None:
        """Wait for room for `size` bytes. Raises Overloaded if there is none for `patience` seconds."""
        try:
            async with asyncio.timeout(self._patience):
                while size > self._left:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            sentence = f"pictures on their way up take all of the {self._capacity} bytes that this edge has for them"
            raise Overloaded(sentence, self._patience) from None
        self._left -= size


class UploadShare:
    """Bytes of one opening in the room. `waits`: for room, so that its device cannot be blamed for being slow."""

    def __init__(self, room: UploadRoom) -> None:
        self._room = room
        self.size = 0
        self.waits = False

    async def add(self, size: int) -> None:
        """Hold `size` bytes more. Raises Overloaded."""
        self.waits = True
        await self._room.take(size)
        self.waits = False
        self.size += size


class Uploads:
    """The pictures of one request of `tenant`. `held`: indices that need no chunks."""

    def __init__(self, references: Sequence[ImageReference], store: ImageStore, tenant: str = "") -> None:
        self._references = references
        self._store = store
        self._tenant = tenant
        self._data: list[bytes | bytearray] = [store.get(one.digest, tenant) or bytearray() for one in references]
        for i, (data, reference) in enumerate(zip(self._data, references, strict=True)):
            if len(data) != reference.size:  # a reference that cannot be right: its chunks will be refused
                self._data[i] = bytearray()
        self.held = tuple(i for i, data in enumerate(self._data) if data)
        self._spare = dict.fromkeys(self.held, 0)  # bytes of them that came all the same
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settle_if_complete()

    def adds(self, chunk: ImageChunk) -> int:
        """Bytes that there will be more of with `chunk`."""
        return 0 if chunk.image in self._spare else len(chunk.data)

    def add(self, chunk: ImageChunk) -> None:
        """Take a chunk. Raises InvalidValue, OutOfStep."""
        if chunk.image >= len(self._references):
            raise InvalidValue("image_chunk.image", chunk.image, f"open names {len(self._references)} pictures")
        if chunk.image in self._spare:
            self._pass(chunk)
            return
        reference = self._references[chunk.image]
        here = len(self._data[chunk.image]) if self._data else reference.size
        if chunk.offset != here or not self._data:
            raise OutOfStep(f"image_chunk.offset is {chunk.offset}: {here} bytes of picture {chunk.image} are here")
        data = self._data[chunk.image]
        end = chunk.offset + len(chunk.data)
        if end > reference.size:
            raise InvalidValue("image_chunk.data", f"{end} bytes", f"open says the picture has {reference.size}")
        data += chunk.data
        if end == reference.size:
            self._finish(chunk.image, bytes(data))
            self._settle_if_complete()

    def fail(self, error: CovspecError) -> None:
        """No more chunks will come."""
        if not self._complete.done():
            self._complete.set_exception(error)
            self._complete.exception()  # it may be that nobody waits

    async def complete(self, rate: UploadRate, waits: Callable[[], bool] = lambda: False) -> tuple[bytes, ...]:
        """All pictures, once they are here. Raises what `fail` was told; OutOfStep if they come too slowly.

        `waits`: whether it is the edge that makes them wait.
        """
        received, waited = 0, True
        while not self._complete.done():
            before, received = received, sum(len(data) for data in self._data)
            came = received - before
            if not waited and came < rate.least:
                told = f"{came} bytes" if came else "nothing"
                rule = "" if came == 0 else f", at least {rate.least} must"
                raise OutOfStep(
                    f"image_chunk: {told} came for {rate.seconds:g} s{rule}; {received} bytes of pictures are here"
                )
            await asyncio.wait([self._complete], timeout=rate.seconds)
            waited = waits()
        await self._complete
        data, self._data = self._data, []
        return tuple(bytes(each) for each in data)

    def _pass(self, chunk: ImageChunk) -> None:
        """A chunk that was sent before the device could know. More bytes than the picture has are no such chunks."""
        self._spare[chunk.image] += len(chunk.data)
        size = self._references[chunk.image].size
        if self._spare[chunk.image] > size:
            raise InvalidValue("image_chunk.data", f"{self._spare[chunk.image]} bytes", f"open says {size}")

    def _finish(self, image: int, data: bytes) -> None:
        reference = self._references[image]
        if hashlib.sha256(data).digest() != reference.digest:
            raise InvalidValue("image_chunk.data", f"picture {image}", "its SHA-256 is not the one that open named")
        self._data[image] = data
        self._store.put(reference.digest, data, self._tenant)

    def _settle_if_complete(self) -> None:
        whole = all(len(d) == r.size for d, r in zip(self._data, self._references, strict=True))
        if whole and not self._complete.done():
            self._complete.set_result(None)
