"""How many answers about held-out pictures are, id for id, what the target alone says.

Every answer crosses real gRPC, from a device in this process to an edge in its own, through a relay that delays, stalls
and cuts. The other side of the comparison is stock transformers `generate()` with one processor for the noise.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import torch

from deploy.processes import edge_process
from device_client.answer import Question, Result
from device_client.client import Client
from device_client.config import DeviceConfig
from shared.demo.pair import draft_folder, target_folder
from shared.demo.world import HELD_OUT, KINDS, ask_kind, draw, scene
from shared.speculation.request import Message, Picture, SamplingWish, Text
from shared.vlm.images import open_image
from shared.vlm.load import load
from shared.vlm.port import Vlm
from tests.support.oracle import Oracle
from tests.support.shim import Shim

WINDOWS, PACES, TEMPERATURES = (1, 4, 16), ("eager", "thrifty"), (0.0, 1.0)
MOST_CUTS = 3  # for each answer


@dataclass(frozen=True)
class Case:
    """One question in one setting."""

    number: int
    question: Question
    prompt: str
    window: int
    pace: str
    temperature: float

    def __str__(self) -> str:
        return f"#{self.number} {self.prompt!r} window {self.window} {self.pace} temperature {self.temperature}"


def cases(count: int) -> Iterator[Case]:
    """Held-out questions of every kind, each about a scene of its own, every setting in turn."""
    kinds = tuple(KINDS)
    for number in range(count):
        unseen = scene(HELD_OUT + number)
        question = ask_kind(unseen, kinds[number % len(kinds)], random.Random(number))
        encoded = io.BytesIO()
        draw(unseen).save(encoded, "PNG")
        temperature = TEMPERATURES[number % 2]
        messages = (Message("user", (Picture(0), Text(question.prompt))),)
        picture = open_image(encoded.getvalue(), 10**7, "held-out scene")
        wish = SamplingWish(temperature=temperature, seed=number)
        yield Case(
            number,
            Question(messages, (encoded.getvalue(),), (picture,), wish),
            question.prompt,
            WINDOWS[number // 2 % 3],
            PACES[number // 6 % 2],
            temperature,
        )


async def answer(case: Case, draft: Vlm, port: int, rng: random.Random) -> Result:
    """The answer of the whole system over a hostile link."""
    async with Shim(port) as shim:
        config = DeviceConfig(edge=shim.address, window=case.window, pace=case.pace)  # type: ignore[arg-type]
        async with Client(config, draft) as client:
            coming = await client.ask(case.question)
            hostility = asyncio.create_task(shim.be_hostile(rng, MOST_CUTS))
            async for _ in coming.pieces():
                pass
            hostility.cancel()
            with suppress(asyncio.CancelledError):
                await hostility
            shim.flow()
    assert coming.result is not None
    return coming.result


async def compare(count: int, port: int) -> int:
    """Ask and compare; how many answers differ."""
    oracle, draft, rng = Oracle(target_folder()), load(str(draft_folder())), random.Random(0)
    differing = tokens = drafted = reconnects = 0
    for case in cases(count):
        result = await answer(case, draft, port, rng)
        expected = oracle.answer(case.question.images[0], case.prompt, case.temperature, case.number)
        if list(result.ids) != expected:
            differing += 1
            _say(f"DIFFERS {case}: {list(result.ids)} but alone {expected}")
        figures = result.figures
        tokens += figures.tokens
        drafted += round((figures.accepted_per_step or 0) * figures.steps)
        reconnects += figures.reconnects
    _say(
        f"{count - differing} of {count} answers identical to the target's own generate(): {tokens} tokens, "
        f"{drafted} of them drafted by the device, {reconnects} reconnects"
    )
    return differing


def main() -> int:
    """Run; 1 if any answer differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exact", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, default=100)
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    torch.set_num_threads(1)
    with edge_process("--model", "demo", "--threads", "1") as edge:
        return 1 if asyncio.run(compare(wanted.answers, edge.port)) else 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
