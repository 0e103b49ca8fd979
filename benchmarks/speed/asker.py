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
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import uvloop

from device_client.answer import Question
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.draft.drafter import Drafter
from device_client.perceive import perceive
from shared.speculation.prints import CommonIds
from shared.speculation.request import SamplingWish, resolve
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.single import prefill


@dataclass(frozen=True)
class Way:
    """How to ask: which edge, with which draft, drafting or not.

    `shadow`: what it computes and says nothing of: "", "start" (all that comes before the first token of the answer),
    or "draft" (that, and then a token behind each).
    """

    edge: str
    draft: str
    dtype: str
    drafting: bool
    window: int = 16
    shadow: str = ""


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
                way, client = ways[order["way"]], clients[order["way"]]
                _say(await _ask(client, _question(order), way, drafts[way.draft, way.dtype]))


async def _ask(client: Client, question: Question, way: Way, draft: Vlm) -> dict[str, Any]:
    answer = await client.ask(question)
    heard = Heard()
    async with AsyncExitStack() as stack:
        if way.shadow:
            following = follow(client, draft, question, heard, ahead=way.window, behind=way.shadow == "draft")
            await stack.enter_async_context(beside(following))
        async for piece in answer.pieces():
            heard.add(piece.ids)
    assert answer.result is not None
    return {"ids": answer.result.ids, "figures": answer.result.figures.as_json()}


class Heard:
    """The tokens of an answer that have come, and a bell."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.grown = asyncio.Event()

    def add(self, ids: Sequence[int]) -> None:
        """Some more have come."""
        self.ids.extend(ids)
        self.grown.set()


async def follow(
    client: Client, draft: Vlm, question: Question, heard: Heard, *, behind: bool, ahead: int = DeviceConfig.window
) -> None:
    """Compute on the draft's own thread what a drafting device would, and say nothing.

    It looks at the picture and drafts until the first token comes, at most `ahead`; then, if `behind`, a token behind
    each.
    """
    run = partial(asyncio.get_running_loop().run_in_executor, client.thread)
    drafter = await run(Drafter, draft, question.messages, question.images)
    parameters = resolve(question.sampling, draft.info.defaults, drafter.room, seed=0)
    await run(partial(drafter.follow, parameters, CommonIds.below(draft.info.rows), draft.info.placeholder_ids))
    path: list[int] = []
    while not heard.ids and len(path) < ahead:
        path.append(await run(drafter.next, path))
    while behind:
        heard.grown.clear()
        await run(drafter.next, list(heard.ids))
        await heard.grown.wait()


@asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do `work` while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


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
