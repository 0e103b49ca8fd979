"""Says spoiled conversations to an edge, one stream each, and judges how it ends each of them.

A stream ends well: with Finished, or refused by a name of ours; an end without either within a time is a hang.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import grpc

from benchmarks.fuzz.mutations import Conversation, conversation
from shared.errors import CovspecError, EngineFailure
from shared.wire.statuses import NAME_KEY
from tests.support.raw_device import RawDevice

SECONDS = 30.0  # after which a stream hangs


@dataclass
class Tally:
    """What came of it. `endings`: by way and name; `wrong`: what must not be, with the seed that did it."""

    messages: int = 0
    streams: int = 0
    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def attack(device: RawDevice, tally: Tally, seed: str) -> None:
    """One conversation on a stream of its own."""
    way, said = conversation(random.Random(seed))
    try:
        async with asyncio.timeout(SECONDS):
            ending = await _end(device, said)
    except TimeoutError:
        ending = "hang"
    tally.streams += 1
    tally.messages += len(said)
    tally.endings[way, ending] += 1
    if ending in {"hang", EngineFailure.__name__, CovspecError.__name__} or ending.startswith("no name"):
        tally.wrong.append(f"{ending}: {way}, seed {seed!r}")


async def _end(device: RawDevice, said: Conversation) -> str:
    stream = await device.stream(*said)
    try:
        await stream.half_close()
        await stream.ended()
    except grpc.aio.AioRpcError:
        status = await stream.status()
        if status is None:
            return "refused, gRPC hides how"
        name = dict(status.metadata).get(NAME_KEY)
        return str(name) if name is not None else f"no name: {status.code.name} {status.sentence}"
    return "ended"
