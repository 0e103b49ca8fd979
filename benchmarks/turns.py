"""How long a chat's turns wait for their first token, with and without what the edge still holds of the turn before.

Run as `python -m benchmarks.turns [--chats N] [--tokens N] [--layers N]`. Each chat is about a held-out picture of its
own and is led at two edges in turn, one of which keeps nothing (`--reuse-mib 0`); both see a picture in its first turn
alone. The target says what the packaged one says, and costs more (`benchmarks.expand`). Texts that differ are counted.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from statistics import median

import uvloop

from benchmarks.dear_edges import dear_edges
from benchmarks.machine import Cores, machine, move_to
from device_client.api import AsyncClient, load_draft, picture
from device_client.chat import Chat, SeenPicture
from device_client.config import DeviceConfig
from shared.demo.world import HELD_OUT, ask_kind, draw, rich_scene
from shared.speculation.request import SamplingWish

FIRST = HELD_OUT + 7_000_000  # apart from what other measurements ask
SIZE = (384, 384)  # height, width, in pixels: 576 visual tokens, as many as a picture of that world has at most
TURNS = ("describe", "count", "list", "where", "exists")
WAYS = {"reuse": (), "read whole": ("--reuse-mib", "0")}


@dataclass(frozen=True)
class Turn:
    """One turn as it was measured."""

    way: str
    number: int
    first_token_ms: float
    prompt_tokens: int
    text: str


def chats() -> Iterator[tuple[SeenPicture, list[str]]]:
    """A picture and what is asked about it, turn by turn; endless, the same every time."""
    seed = FIRST
    while True:
        shown = rich_scene(seed, size=SIZE, side=3)
        yield picture(draw(shown)), [ask_kind(shown, kind, Random(seed)).prompt for kind in TURNS]
        seed += 1


async def lead(client: AsyncClient, way: str, seen: SeenPicture, prompts: Sequence[str], tokens: int) -> list[Turn]:
    """A whole chat."""
    chat, turns = Chat(), list[Turn]()
    for number, prompt in enumerate(prompts, start=1):
        chat = chat.asked(prompt, [seen] if number == 1 else [])
        result = await client.ask(chat, sampling=SamplingWish(temperature=0.0, max_tokens=tokens))
        assert result.figures.first_token_ms is not None
        turns.append(Turn(way, number, result.figures.first_token_ms, result.prompt_tokens, result.text))
        chat = chat.answered(result.text)
    return turns


async def measured(addresses: dict[str, str], count: int, tokens: int) -> list[Turn]:
    """So many chats, each at all edges, after one that warms up."""
    turns: list[Turn] = []
    draft = load_draft(DeviceConfig())
    for number, (seen, prompts) in enumerate(islice(chats(), count + 1)):
        ways = list(addresses) if number % 2 else list(addresses)[::-1]
        for way in ways:
            async with AsyncClient(DeviceConfig(edge=addresses[way]), draft) as client:
                led = await lead(client, way, seen, prompts, tokens)
            turns += led if number else []
    return turns


def told(turns: Sequence[Turn]) -> str:
    """A table: for each turn its prompt, and the median wait of each way."""
    rows = [f"turn  prompt  {'  '.join(f'{way:>12}' for way in WAYS)}"]
    grouped: dict[tuple[int, str], list[Turn]] = defaultdict(list)
    for turn in turns:
        grouped[turn.number, turn.way].append(turn)
    for number in range(1, len(TURNS) + 1):
        tokens = median(turn.prompt_tokens for turn in grouped[number, "reuse"])
        waits = [median(turn.first_token_ms for turn in grouped[number, way]) for way in WAYS]
        rows.append(f"{number:>4}  {tokens:>6.0f}  {'  '.join(f'{wait:>9.0f} ms' for wait in waits)}")
    return "\n".join(rows)


def differing(turns: Sequence[Turn]) -> int:
    """How many texts are not the same at both edges: the chats come in the same order."""
    by_way = [[turn.text for turn in turns if turn.way == way] for way in WAYS]
    return sum(one != other for one, other in zip(*by_way, strict=True))


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chats", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=48, help="of an answer at most")
    parser.add_argument("--layers", type=int, default=12, help="more than the packaged target has")
    wanted = parser.parse_args()
    cores = Cores.chosen()
    _say(f"{machine()}; {cores}")
    with dear_edges(wanted.layers, WAYS, cores.edge) as addresses:
        move_to(cores.devices)
        turns = uvloop.run(measured(addresses, wanted.chats, wanted.tokens))
    _say(f"{wanted.chats} chats, first token, median\n{told(turns)}")
    wrong = differing(turns)
    _say(f"{wrong} texts differ")
    return 1 if wrong else 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
