"""The device of the benchmark, a process at its end of the link: asks when told to, says what each answer cost.

Lines of JSON in, lines of JSON out, so that what starts it can stand at another end. Models and channels stay warm
between answers; each way of asking has a client of its own.

    {"way": NAME, "picture": FILE, "prompt": TEXT, "tokens": N}        -> {"ids": [...], "figures": {...}}
    {"agree": NAME, "picture": FILE, "prompt": TEXT, "ids": [...]}     -> {"matches": [...]}
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import uvloop

from device_client.answer import Question
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.perceive import perceive
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.single import prefill


@dataclass(frozen=True)
class Way:
    """How to ask: which edge, with which draft, drafting or not."""

    edge: str
    draft: str
    dtype: str
    drafting: bool
    window: int = 16


async def serve(ways: Mapping[str, Way]) -> None:
    """Obey lines until there are no more."""
    drafts = {(way.draft, way.dtype): load(way.draft, way.dtype) for way in ways.values()}
    async with AsyncExitStack() as stack:
        clients = {}
        for name, way in ways.items():
            config = DeviceConfig(edge=way.edge, window=way.window, drafting=way.drafting)
            clients[name] = await stack.enter_async_context(Client(config, drafts[way.draft, way.dtype]))
        _say({"ready": sorted(ways)})
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            if "agree" in order:
                way = ways[order["agree"]]
                matches = _agreement(drafts[way.draft, way.dtype], _question(order), order["ids"])
                _say({"matches": matches})
            else:
                _say(await _ask(clients[order["way"]], _question(order)))


async def _ask(client: Client, question: Question) -> dict[str, Any]:
    answer = await client.ask(question)
    async for _ in answer.pieces():
        pass
    assert answer.result is not None
    return {"ids": answer.result.ids, "figures": answer.result.figures.as_json()}


def _agreement(draft: Vlm, question: Question, ids: list[int]) -> list[bool]:
    """Where the draft's likeliest token is the answer's, given the answer up to there."""
    prompt = draft.prepare(question.messages, question.images)
    _, rows = prefill(draft, prompt, draft.see(prompt), ids=ids[:-1])
    return [bool(token == said) for token, said in zip(rows.argmax(-1).tolist(), ids, strict=True)]


def _question(order: Mapping[str, Any]) -> Question:
    wish = SamplingWish(temperature=0.0, max_tokens=order.get("tokens"))
    return perceive([Path(order["picture"])], order["prompt"], wish)


def _say(values: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def as_argument(ways: Mapping[str, Way]) -> str:
    """What the process is started with."""
    return json.dumps({name: asdict(way) for name, way in ways.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    uvloop.run(serve({name: Way(**values) for name, values in json.loads(sys.argv[1]).items()}))
