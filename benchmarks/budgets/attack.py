"""What an attack is: a coroutine that does its worst to a target until it is cancelled, and counts what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import grpc

from benchmarks.budgets.target import Target
from shared.errors import CovspecError
from shared.speculation.request import ImageReference, Message, Part, Picture, SamplingWish, Text
from shared.wire.handshake import DeviceProfile, Open


@dataclass
class Tally:
    """Attempts that the target has taken, and those that it has refused, by the status."""

    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def failed(self, error: BaseException) -> None:
        """An attempt was refused."""
        code = error.code().name if isinstance(error, grpc.aio.AioRpcError) else type(error).__name__
        self.refused[code] += 1


Attack = Callable[[Target, Tally], Awaitable[None]]


def opening(text: str, images: tuple[ImageReference, ...] = (), window: int = 8) -> Open:
    """What a device without a draft would ask."""
    parts: tuple[Part, ...] = (*(Picture(index) for index in range(len(images))), Text(text))
    wish = SamplingWish(temperature=0, max_tokens=64, ignore_eos=True)
    return Open((Message("user", parts),), images, wish, DeviceProfile(None, window))


def channel(target: Target) -> grpc.aio.Channel:
    """A connection of its own."""
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1))
    return grpc.aio.insecure_channel(target.edge, options=options)


async def forever(attempt: Callable[[], Awaitable[None]], tally: Tally, together: int = 1) -> None:
    """Try again and again, `together` side by side."""

    async def go_on() -> None:
        while True:
            with suppress(asyncio.InvalidStateError):
                try:
                    await attempt()
                    tally.taken += 1
                except (grpc.aio.AioRpcError, CovspecError, OSError) as error:
                    tally.failed(error)
            await asyncio.sleep(0)

    await asyncio.gather(*(go_on() for _ in range(together)))
