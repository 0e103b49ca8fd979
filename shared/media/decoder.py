"""Decodes the images of requests for a whole process: few at a time, within one budget of memory.

Guarantees: what decoding takes is known and reserved before the first pixel is decoded, for all images of a request at
once, and stays reserved until they are released; a request that is given up frees its share when its decoder has
stopped. A request larger than the whole budget is refused.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from shared.errors import ImageError
from shared.excerpts import Shown
from shared.media.budget import MemoryBudget, Share
from shared.media.images import Cost, cost_of, open_image
from shared.media.memory import WORTH_IT, give_back

Value = TypeVar("Value")
_THREADS = 2  # decoders at work: more would take the model's cores
# What an image processor takes of memory beside an image, by the image's own: copies as arrays, and the smaller image.
# Measured with the packaged target (Qwen3-VL): 607 MiB for one of 244.
_PREPARING = 2.5
_SETTLED_SECONDS = 0.5  # after images are released, in which the last that hold them let go
_MIB = 2**20


@dataclass(frozen=True)
class Encoded:
    """An image as a file. `name`: what a person calls it."""

    data: bytes
    name: str


class Decoded:
    """The images of a request, which hold memory until `release`. Also a context manager, of the images."""

    def __init__(self, images: tuple[Image.Image, ...], release: Callable[[], None]) -> None:
        self.images = images
        self._release = release

    def release(self) -> None:
        """Nobody uses the images any more. Idempotent."""
        self.images = ()
        self._release()

    def __enter__(self) -> tuple[Image.Image, ...]:
        return self.images

    def __exit__(self, *_: object) -> None:
        self.release()


NONE = Decoded((), lambda: None)


class ImageDecoder:
    """`capacity`: bytes, for images that are being decoded or have not been released."""

    def __init__(self, capacity: int, budget: MemoryBudget | None = None) -> None:
        self.budget = MemoryBudget(capacity) if budget is None else budget
        self._threads = asyncio.Semaphore(_THREADS)
        self._giving_back = False  # the system gets what was freed, soon

    async def decode(self, files: Sequence[Encoded], max_pixels: int) -> Decoded:
        """The images in `files`, once there is memory for them. Raises ImageError, Overloaded."""
        if not files:
            return NONE
        costs = await self._run(lambda: [cost_of(each.data, max_pixels, each.name) for each in files])
        share = await self.budget.take(self._needed(costs))
        given_up = threading.Event()
        decoding = asyncio.ensure_future(self._run(lambda: _decoded(files, costs, max_pixels, given_up)))
        try:
            images = await asyncio.shield(decoding)
        except asyncio.CancelledError:
            given_up.set()
            decoding.add_done_callback(lambda done: self._discard(done, share))
            raise
        except BaseException:
            self._free(share)
            raise
        return Decoded(images, lambda: self._free(share))

    def _needed(self, costs: Sequence[Cost]) -> int:
        """All decoded images, and beside them what one takes while it is decoded, or made ready for a model."""
        beside = max(max(cost.decoding - cost.held, round(_PREPARING * cost.held)) for cost in costs)
        needed = sum(cost.held for cost in costs) + beside
        if needed > self.budget.capacity:
            rule = f"those of one request may take at most {self.budget.capacity // _MIB} MiB"
            raise ImageError("images", Shown(f"{math.ceil(needed / _MIB)} MiB when decoded"), rule)
        return needed

    def _discard(self, done: asyncio.Future[tuple[Image.Image, ...]], share: Share) -> None:
        if not done.cancelled():
            done.exception()  # nobody waits for it
        self._free(share)

    def _free(self, share: Share) -> None:
        if share.budget is None:
            return
        share.give_back()
        if share.size >= WORTH_IT and not self._giving_back:
            self._giving_back = True
            asyncio.get_running_loop().call_later(_SETTLED_SECONDS, self._give_back)

    def _give_back(self) -> None:
        self._giving_back = False
        asyncio.get_running_loop().run_in_executor(None, give_back)

    async def _run(self, job: Callable[[], Value]) -> Value:
        async with self._threads:
            return await asyncio.to_thread(job)


def _decoded(
    files: Sequence[Encoded], costs: Sequence[Cost], max_pixels: int, given_up: threading.Event
) -> tuple[Image.Image, ...]:
    images: list[Image.Image] = []
    for each, cost in zip(files, costs, strict=True):
        if given_up.is_set():
            return ()
        images.append(open_image(each.data, max_pixels, each.name))
        if cost.decoding >= WORTH_IT:
            give_back()
    return tuple(images)
