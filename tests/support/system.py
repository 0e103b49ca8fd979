"""A whole system in one process over real gRPC on loopback: an edge, a link that may be bad, a device."""

from __future__ import annotations

import asyncio
import gc
import io
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic

import numpy as np
from PIL import Image

from device_client.answer import Answer, Piece, Question, Result
from device_client.client import Client
from device_client.config import DeviceConfig
from edge_server.config import EdgeConfig
from edge_server.engine.events import Observer
from edge_server.server import EdgeServer
from shared.speculation.coupled import Chooser
from shared.speculation.ending import Ending
from shared.speculation.request import Message, Part, Picture, SamplingWish, Text, resolve
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill
from shared.vlm.toy import ToyVlm
from shared.vlm.toy_decoder import ToyDecoder
from tests.support import heritage
from tests.support.toys import Steps

gc.collect()
gc.freeze()  # what libraries hold stays out of every later look for what is alive, which takes a tenth of the time so
heritage.watch(ToyDecoder)


def toy_target(**changes: float) -> ToyVlm:
    """The target of most tests."""
    return ToyVlm("target", seed=1, **changes)  # type: ignore[arg-type]


def counted_target(steps: Steps, **changes: float) -> ToyVlm:
    """The target of most tests, whose forwards `steps` counts, holds or breaks."""
    return ToyVlm("target", seed=1, step_seconds=1e-6, sleep=steps, **changes)  # type: ignore[arg-type]


def toy_draft(agreement: float = 0.8, **changes: float) -> ToyVlm:
    """A draft that agrees with the target at this share of positions."""
    return ToyVlm("draft", seed=1, agreement=agreement, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def edge(
    load: Callable[[], Vlm] = toy_target, observer: Observer | None = None, /, **changes: object
) -> AsyncIterator[EdgeServer]:
    """An edge on a free port of loopback, whose steps `observer` is told of. It makes no forward of its own."""
    own = EdgeConfig(port=0, drain_seconds=0.2, reflection=False, warm_up=False)
    config = replace(own, **changes)  # type: ignore[arg-type]
    async with EdgeServer(config, load, observer) as server:
        yield server


@asynccontextmanager
async def device(address: str, draft: Vlm, **changes: object) -> AsyncIterator[Client]:
    """A device that talks to `address`."""
    config = replace(DeviceConfig(edge=address), **changes)  # type: ignore[arg-type]
    async with Client(config, draft) as client:
        yield client


async def whole(answer: Answer) -> Result:
    """Read an answer to its end; what was shown is what it says it was."""
    shown = "".join([piece.text async for piece in answer.pieces()])
    assert answer.result is not None
    assert shown == answer.result.text
    return answer.result


async def drained(pieces: AsyncIterator[Piece]) -> None:
    """Read pieces to their end."""
    async for _ in pieces:
        pass


def alone(target: Vlm, question: Question, seed: int = 0) -> tuple[int, ...]:
    """What the target says by itself, one token at a time: the oracle."""
    prompt = target.prepare(question.messages, question.images)
    room = target.info.context_length - len(prompt.ids)
    parameters = resolve(question.sampling, target.info.defaults, room, seed)
    chooser, ending = Chooser(parameters, prompt.ids), Ending(parameters, target.tokenizer.decode)
    decoder, rows = prefill(target, prompt, target.see(prompt))
    ids: list[int] = []
    while True:
        ids.append(chooser.choose(rows[-1], ids))
        if ending.push(ids[-1]) is not None:
            return tuple(ids)
        rows = extend(target, decoder, ids[-1:])


async def eventually(look: Callable[[], object], expected: object = True) -> None:
    """Wait until `look` sees what is expected: other threads and the network take their time, but never this long."""
    deadline = monotonic() + 20
    while (seen := look()) != expected:
        assert monotonic() < deadline, f"still {seen}, not {expected}"
        await asyncio.sleep(0.002)


def asked(text: str = "what is it?", *pictures: bytes, **wishes: object) -> Question:
    """A question about pictures, noiseless unless `wishes` say otherwise."""
    parts: tuple[Part, ...] = (*(Picture(i) for i in range(len(pictures))), Text(text))
    images = tuple(Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures)
    wish = SamplingWish(**{"temperature": 0.0, **wishes})  # type: ignore[arg-type]
    return Question((Message("user", parts),), pictures, images, wish)


def a_picture(seed: int, side: int = 40) -> bytes:
    """A noisy square as PNG: about 3 * side * side bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@asynccontextmanager
async def bystander(server: EdgeServer) -> AsyncIterator[None]:
    """Somebody who asks the same edge all the while, and whose answers stay the target's own."""
    leaving = asyncio.Event()

    async def ask_on() -> None:
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            number = 0
            while not leaving.is_set():
                await exact(client, asked(f"bystander {number}"))
                number += 1

    asking = asyncio.create_task(ask_on())
    try:
        yield
    finally:
        leaving.set()
        await asking


async def exact(client: Client, question: Question, target: Vlm | None = None) -> Result:
    """Ask, and find that the answer is the target's own."""
    result = await whole(await client.ask(question))
    assert result.ids == alone(target or toy_target(), question, result.parameters.seed)
    return result


def alive() -> dict[str, int]:
    """What a test may leave nothing of: tasks, threads of ours, and its decoders, which stand for KV caches."""
    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()) - 1,
        "threads": sum(thread.name.startswith(("engine", "draft")) for thread in threading.enumerate()),
        "decoders": heritage.own_decoders(),
    }


async def nothing_alive() -> None:
    """Wait until nothing of ours is left."""
    await eventually(alive, dict.fromkeys(alive(), 0))
