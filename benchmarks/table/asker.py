"""The device of the table, a process at its end of the link: asks by a preset when told to, says what came and when.

Lines of JSON in, lines of JSON out. Guarantees: every preset has a client of its own, which stays warm, over one draft
model; an answer that fails is said, and is not the end.

    {"way": NAME, "pictures": [FILE], "prompt": TEXT, "temperature": T, "seed": N, "tokens": N}
        -> {"ids": [...], "text": TEXT, "seconds": S, "arrivals": [S], "cpu": S, "joules": J or null,
            "figures": {...} or null}
    the same with {"agree": [IDS]} in place of "way"    -> {"matches": [...]}: where the draft would say them
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import torch
import uvloop

from benchmarks.power import Joules, busy_ticks
from benchmarks.speed.asker import Heard, beside, follow
from benchmarks.table.methods import METHODS, MethodName
from device_client.answer import Question
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.draft.drafter import Drafter
from device_client.pictures import read_picture
from shared.errors import CovspecError
from shared.speculation.coupled import Chooser
from shared.speculation.ending import Ending
from shared.speculation.prints import CommonIds
from shared.speculation.request import Message, Part, Picture, SamplingWish, Text, resolve
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.single import prefill


@dataclass(frozen=True)
class Way:
    """A method at an edge. `shadow`: beside it the draft drafts behind each token that comes, and nobody hears."""

    edge: str
    method: MethodName
    shadow: bool = False


@dataclass
class Coming:
    """When the tokens of an answer came, in seconds after the question."""

    begin: float
    arrivals: list[float]

    def heard(self, tokens: int) -> None:
        """So many have come just now."""
        self.arrivals += [monotonic() - self.begin] * tokens


async def serve(ways: Mapping[str, Way], draft: Vlm) -> None:
    """Obey lines until there are no more."""
    async with AsyncExitStack() as stack:
        clients = {}
        for name, way in ways.items():
            settings = dict(METHODS[way.method])
            config = replace(DeviceConfig(edge=way.edge), **settings)  # type: ignore[arg-type]
            clients[name] = await stack.enter_async_context(Client(config, draft))
        _say({"ready": sorted(ways)})
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            question = _question(order)
            try:
                if "agree" in order:
                    _say({"matches": _agreement(draft, question, order["agree"])})
                else:
                    _say(await _ask(clients[order["way"]], question, ways[order["way"]]))
            except CovspecError as failed:
                _say({"failed": f"{type(failed).__name__}: {failed}"})


async def _ask(client: Client, question: Question, way: Way) -> dict[str, Any]:
    computed, ticks, meter = process_time(), busy_ticks(), Joules()
    coming = Coming(monotonic(), [])
    if METHODS[way.method].get("alone"):
        ids, text, figures = await client.forward(partial(_alone, client.vlm, question, coming))
    else:
        ids, text, figures = await _together(client, question, coming, shadow=way.shadow)
    computed = process_time() - computed
    return {
        "ids": ids,
        "text": text,
        "seconds": coming.arrivals[-1],
        "arrivals": coming.arrivals,
        "cpu": computed,
        "joules": _joules(meter, computed, busy_ticks() - ticks),
        "figures": figures,
    }


def _joules(meter: Joules, computed: float, ticks: int) -> float | None:
    """This process's part of what the machine used: the edge computes on the same one."""
    used = meter.used()
    if used is None or ticks <= 0:
        return None
    return used * min(1.0, computed * os.sysconf("SC_CLK_TCK") / ticks)


async def _together(
    client: Client, question: Question, coming: Coming, *, shadow: bool
) -> tuple[list[int], str, dict[str, Any]]:
    answer = await client.ask(question)
    heard = Heard()
    async with AsyncExitStack() as stack:
        if shadow:
            await stack.enter_async_context(beside(follow(client, client.vlm, question, heard, behind=True)))
        async for piece in answer.pieces():
            coming.heard(len(piece.ids))
            heard.add(piece.ids)
    assert answer.result is not None
    coming.heard(len(answer.result.ids) - len(coming.arrivals))  # such as have no text: the end
    return list(answer.result.ids), answer.result.text, answer.result.figures.as_json()


def _alone(draft: Vlm, question: Question, coming: Coming) -> tuple[list[int], str, None]:
    """The draft's own answer, of this seed."""
    drafter = Drafter(draft, question.messages, question.images)
    parameters = resolve(question.sampling, draft.info.defaults, drafter.room, question.sampling.seed or 0)
    drafter.follow(parameters, CommonIds.below(draft.info.rows), draft.info.placeholder_ids)
    ending, ids = Ending(parameters, draft.tokenizer.decode), [drafter.next([])]
    coming.heard(1)
    while ending.push(ids[-1]) is None:
        ids.append(drafter.next(ids))
        coming.heard(1)
    said = [token for token in ids if token not in parameters.end_ids]
    return ids, draft.tokenizer.decode(said), None


def _agreement(draft: Vlm, question: Question, ids: list[int]) -> list[bool]:
    """Where the draft's choice, noise included, is the answer's, given the answer up to there."""
    prompt = draft.prepare(question.messages, question.images)
    _, rows = prefill(draft, prompt, draft.see(prompt), ids=ids[:-1])
    room = draft.info.context_length - len(prompt.ids)
    chooser = Chooser(resolve(question.sampling, draft.info.defaults, room, question.sampling.seed or 0), prompt.ids)
    return [chooser.choose(row, ids[:place]) == ids[place] for place, row in enumerate(rows)]


def _question(order: Mapping[str, Any]) -> Question:
    pictures = [read_picture(name) for name in order["pictures"]]
    parts: tuple[Part, ...] = (*(Picture(place) for place in range(len(pictures))), Text(order["prompt"]))
    wish = SamplingWish(temperature=order["temperature"], seed=order["seed"], max_tokens=order["tokens"])
    encoded = tuple(each.encoded for each in pictures)
    return Question((Message("user", parts),), encoded, tuple(each.image for each in pictures), wish)


def _say(values: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def command(draft: str, dtype: str, ways: Mapping[str, Way]) -> list[str]:
    """How the process is started."""
    told = json.dumps({name: asdict(way) for name, way in ways.items()})
    return [sys.executable, "-m", "benchmarks.table.asker", draft, dtype, told]


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, number_format, wanted = sys.argv[1:]
    told = {name: Way(**values) for name, values in json.loads(wanted).items()}
    uvloop.run(serve(told, load(str(Path(folder)), number_format)))
