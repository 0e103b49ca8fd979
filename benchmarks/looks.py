"""What it costs that an edge tells a device where its target looks: that device, and whoever else is answered.

Run as `python -m benchmarks.looks [--pictures N] [--tokens N] [--layers N]`. Each picture is asked about in three ways
in turn: at an edge that does not tell, at one that runs with `--attends` and is not asked, and there by a device with
`--prune verifier`. Meanwhile somebody else, who does not draft, reads a long answer at the same edge. The target says
what the packaged one says, and costs more (`benchmarks.expand`). Texts that differ are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from statistics import median

import uvloop

from benchmarks.dear_edges import dear_edges
from benchmarks.machine import Cores, machine, move_to
from benchmarks.turns import chats
from device_client.api import AsyncClient, load_draft
from device_client.chat import Chat, SeenPicture
from device_client.config import DeviceConfig
from shared.speculation.request import SamplingWish
from shared.vlm.port import Vlm

KEEP = "25%"
FRESH = ("--image-cache-mib", "0", "--sight-tokens", "0", "--reuse-mib", "0")  # nobody profits from who asked before
EDGES = {"off": FRESH, "on": (*FRESH, "--attends")}
WAYS = {"not told": ("off", "covspec"), "told, not asked": ("on", "covspec"), "asked": ("on", "verifier")}
HEADS = ("first token", "longest after it", "median", "another stood still")
STILL = 2.0  # times the median between two tokens: what a token takes beyond that is standing still
LONG = SamplingWish(temperature=0.0, max_tokens=1000, ignore_eos=True)


@dataclass(frozen=True)
class Look:
    """One answer. Milliseconds: to its first token; the longest and the median between two pieces of text after it; and
    how long somebody else's answer stood still meanwhile, all in all.
    """

    way: str
    first: float
    longest: float
    usual: float
    other: float
    text: str

    @property
    def waits(self) -> tuple[float, float, float, float]:
        """As `HEADS` name them."""
        return self.first, self.longest, self.usual, self.other


async def look(asker: AsyncClient, other: AsyncClient, way: str, asked: Chat, tokens: int) -> Look:
    """One answer, beside another's."""
    heard: list[float] = []
    reads = asyncio.Event()

    async def read_on() -> None:
        async with other.stream(Chat().asked("Tell me a long story."), sampling=LONG) as answer:
            async for _ in answer:
                heard.append(time.monotonic())
                reads.set()

    reader = asyncio.create_task(read_on())
    await reads.wait()
    begin, arrivals, text = time.monotonic(), list[float](), ""
    async with asker.stream(asked, sampling=SamplingWish(temperature=0.0, max_tokens=tokens)) as answer:
        async for piece in answer:
            arrivals.append(time.monotonic())
            text += piece.text
    reader.cancel()
    await asyncio.wait([reader])
    gaps, others = _gaps(arrivals), _gaps([moment for moment in heard if moment > begin])
    bar = STILL * median(others)
    return Look(
        way, 1e3 * (arrivals[0] - begin), max(gaps), median(gaps), sum(gap for gap in others if gap > bar), text
    )


def _gaps(moments: Sequence[float]) -> list[float]:
    """Milliseconds between one and the next."""
    return [1e3 * (later - sooner) for sooner, later in pairwise(moments)]


async def measured(addresses: dict[str, str], count: int, tokens: int) -> list[Look]:
    """So many pictures, each in all ways, after one that warms up."""
    looks: list[Look] = []
    draft = load_draft(DeviceConfig())
    for number, (seen, prompts) in enumerate(islice(chats(), count + 1)):
        for way in list(WAYS) if number % 2 else list(WAYS)[::-1]:
            found = await _asked(addresses[WAYS[way][0]], draft, way, seen, prompts[0], tokens)
            looks += [found] if number else []
    return looks


async def _asked(address: str, draft: Vlm, way: str, seen: SeenPicture, prompt: str, tokens: int) -> Look:
    drafting = DeviceConfig(edge=address, prune=WAYS[way][1], keep=KEEP)
    resting = DeviceConfig(edge=address, drafting=False)
    async with AsyncClient(drafting, draft) as asker, AsyncClient(resting, draft) as other:
        return await look(asker, other, way, Chat().asked(prompt, [seen]), tokens)


def told(looks: Sequence[Look]) -> str:
    """A table: the medians of each way."""
    rows = [f"{'ms':16}" + "".join(f"{head:>20}" for head in HEADS)]
    for way in WAYS:
        waits = zip(*(each.waits for each in looks if each.way == way), strict=True)
        rows.append(f"{way:16}" + "".join(f"{median(each):>20.0f}" for each in waits))
    return "\n".join(rows)


def differing(looks: Sequence[Look]) -> int:
    """About how many pictures the ways said different texts: the pictures come in the same order."""
    by_way = [[each.text for each in looks if each.way == way] for way in WAYS]
    return sum(len(set(texts)) > 1 for texts in zip(*by_way, strict=True))


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.looks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer at most")
    parser.add_argument("--layers", type=int, default=4, help="more than the packaged target has")
    wanted = parser.parse_args()
    cores = Cores.chosen()
    _say(f"{machine()}; {cores}")
    with dear_edges(wanted.layers, EDGES, cores.edge) as addresses:
        move_to(cores.devices)
        looks = uvloop.run(measured(addresses, wanted.pictures, wanted.tokens))
    _say(f"{wanted.pictures} pictures, medians\n{told(looks)}")
    wrong = differing(looks)
    _say(f"about {wrong} pictures the texts differ")
    return 1 if wrong else 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
