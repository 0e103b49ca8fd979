"""Ask thousands of questions of random length, cancel some at random, cut some links: what is held stays what it was.

`python -m benchmarks.soak [--sessions N] [--model toy|demo]`; edge and devices share this process, so that tensors and
tasks of both can be counted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import monotonic

import torch

from benchmarks.resident import in_use_mib, python_blocks, resident_mib
from device_client.client import Client
from shared.demo.pair import draft_folder, target_folder
from shared.errors import CovspecError
from shared.vlm.load import load
from shared.vlm.port import Vlm
from tests.support.shim import Shim
from tests.support.system import a_picture, alive, asked, device, edge, eventually, toy_draft, toy_target

_TOGETHER = 8  # devices
_LOOKS = 20
_SIGHTS = 16  # tensors, two of each picture: the pictures kept differ in size
_GROWTH_MIB = 8.0  # resident, that the second half may lie above the first, which still fills caches
_SLACK_MIB, _LEFT_BYTES = 1.0, 500  # in use, that the second half may leave, and each of its sessions: gRPC keeps some


@dataclass(frozen=True)
class Held:
    """What this process holds after so many sessions. `in_use`: MiB of malloc's heap; `blocks`: Python's small ones."""

    sessions: int
    resident: float
    in_use: float
    blocks: int
    tensors: int

    @classmethod
    def now(cls, sessions: int) -> Held:
        """What it holds when nothing waits for the collector."""
        gc.collect()
        tensors = sum(torch.is_tensor(thing) for thing in gc.get_objects())
        return cls(sessions, resident_mib(), in_use_mib(), python_blocks(), tensors)

    def __str__(self) -> str:
        return (
            f"{self.sessions:>6} sessions, {self.resident:.1f} MiB resident, "
            f"{self.in_use:.2f} MiB and {self.blocks} blocks of Python in use, {self.tensors} tensors"
        )


async def soak(wanted: argparse.Namespace) -> int:
    """Run and report; 1 if something grows or is left."""
    load_target, draft = _models(wanted.model)
    rng, ends, looks = random.Random(wanted.seed), Counter[str](), list[Held]()
    before, began = alive(), monotonic()
    options = {"max_sessions": 6, "park_seconds": 0.5, "sight_tokens": 512, "image_cache_mib": 1.0}
    options["reuse_seconds"] = 0.3  # what ended answers leave is taken, and gone at each look
    async with edge(load_target, **options) as server, Shim(server.port) as shim:
        for look in range(_LOOKS):
            goal = wanted.sessions * (look + 1) // _LOOKS
            left = iter(range(sum(ends.values()), goal))
            await asyncio.gather(*(_ask_on(shim, draft, left, rng, ends) for _ in range(_TOGETHER)))
            assert server.left <= options["max_sessions"]
            await eventually(lambda: (server.sessions, server.places, server.left), (0, 0, 0))
            looks.append(Held.now(sum(ends.values())))
            _say(str(looks[-1]))
    await eventually(alive, before)
    _say(f"{sum(ends.values())} sessions in {monotonic() - began:.0f} s: {dict(ends)}")
    _say("no session, place, task, thread or decoder is left")
    return 1 if _grows(looks) or ends["failed"] else 0


def _grows(looks: Sequence[Held]) -> bool:
    """Whether the second half holds more than the first left. Says how much."""
    half, last = looks[len(looks) // 2 - 1], looks[-1]
    resident = median(look.resident for look in looks[len(looks) // 2 :])
    resident -= median(look.resident for look in looks[2 : len(looks) // 2])
    sessions, in_use = last.sessions - half.sessions, last.in_use - half.in_use
    _say(f"resident: second half {resident:+.1f} MiB above the first")
    _say(
        f"in use: {sessions} sessions of the second half have left {in_use * 2**20 / sessions:.0f} bytes and"
        f" {(last.blocks - half.blocks) / sessions:.1f} blocks of Python each"
    )
    _say(f"live tensors: {half.tensors} at half, {last.tensors} at the end: the edge keeps pictures it has seen")
    leaks = in_use > _SLACK_MIB + sessions * _LEFT_BYTES / 2**20
    return leaks or resident > _GROWTH_MIB or last.tensors > half.tensors + _SIGHTS


async def _ask_on(shim: Shim, draft: Vlm, left: Iterator[int], rng: random.Random, ends: Counter[str]) -> None:
    async with device(shim.address, draft, reconnect_seconds=60.0) as client:
        for number in left:
            try:
                ends[await _ask(client, number, shim, rng)] += 1
            except CovspecError as error:
                _say(f"session {number}: {type(error).__name__}: {error}")
                ends["failed"] += 1


async def _ask(client: Client, number: int, shim: Shim, rng: random.Random) -> str:
    pictures = (a_picture(rng.randrange(100)),) if rng.random() < 0.3 else ()
    question = asked(f"question {number % 50}", *pictures, temperature=1.0, max_tokens=rng.randint(1, 120))
    leave_after = rng.randint(0, 40) if rng.random() < 0.4 else None
    cut_after = rng.randint(0, 40) if rng.random() < 0.05 else None
    answer = await client.ask(question)
    pieces = answer.pieces()
    count = 0
    async for _ in pieces:
        if count == leave_after:
            await pieces.aclose()
            return "cancelled"
        if count == cut_after:
            shim.cut()
        count += 1
    return "whole"


def _models(name: str) -> tuple[Callable[[], Vlm], Vlm]:
    if name == "demo":
        return partial(load, str(target_folder())), load(str(draft_folder()))
    return toy_target, toy_draft()


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, default=5000)
    parser.add_argument("--model", choices=["toy", "demo"], default="toy", help="without weights, or with real tensors")
    parser.add_argument("--seed", type=int, default=0)
    logging.getLogger().setLevel(logging.ERROR)
    return asyncio.run(soak(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
