"""A whole system in one process over real gRPC on loopback: an edge, a link that may be bad, a device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from device_client.answer import Answer, Question, Result
from device_client.client import Client
from device_client.config import DeviceConfig
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.speculation.coupled import Chooser
from shared.speculation.ending import Ending
from shared.speculation.request import resolve
from shared.vlm.port import Vlm
from shared.vlm.toy import ToyVlm


def toy_target(**changes: float) -> ToyVlm:
    """The target of most tests."""
    return ToyVlm("target", seed=1, **changes)  # type: ignore[arg-type]


def toy_draft(agreement: float = 0.8, **changes: float) -> ToyVlm:
    """A draft that agrees with the target at this share of positions."""
    return ToyVlm("draft", seed=1, agreement=agreement, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def edge(load: Callable[[], Vlm] = toy_target, **changes: object) -> AsyncIterator[EdgeServer]:
    """An edge on a free port of loopback."""
    config = replace(EdgeConfig(port=0, drain_seconds=0.2, reflection=False), **changes)  # type: ignore[arg-type]
    async with EdgeServer(config, load) as server:
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


def alone(target: Vlm, question: Question, seed: int = 0) -> tuple[int, ...]:
    """What the target says by itself, one token at a time: the oracle."""
    prompt = target.prepare(question.messages, question.images)
    room = target.info.context_length - len(prompt.ids)
    parameters = resolve(question.sampling, target.info.defaults, room, seed)
    chooser, ending = Chooser(parameters, prompt.ids), Ending(parameters, target.tokenizer.decode)
    decoder, rows = target.prefill(prompt, target.see(prompt))
    ids: list[int] = []
    while True:
        ids.append(chooser.choose(rows[-1], ids))
        if ending.push(ids[-1]) is not None:
            return tuple(ids)
        rows = decoder.extend(ids[-1:])
