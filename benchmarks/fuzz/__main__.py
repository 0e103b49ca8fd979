"""Say mutated messages, orders and pictures to a live edge, while others ask it; no crash, hang or leak.

`python -m benchmarks.fuzz`: at least 100 000 messages.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from time import monotonic

from benchmarks.fuzz.attack import Tally, attack
from benchmarks.resident import resident_mib
from edge_server.server import EdgeServer
from tests.support.raw_device import RawDevice
from tests.support.system import alive, asked, device, edge, eventually, exact, toy_draft

_TOGETHER = 16  # streams at a time
_PLACES = 32
_SETTLED = 5  # tenths of the run after which memory should not grow any more


class Bystander:
    """Somebody who asks the same edge all the while; every answer has to be the target's own."""

    def __init__(self) -> None:
        self.answers = 0
        self.leaving = False

    async def ask_on(self, port: int) -> None:
        """Ask until `leaving`."""
        async with device(f"127.0.0.1:{port}", toy_draft()) as client:
            while not self.leaving:
                await exact(client, asked(f"bystander {self.answers}", temperature=1.0))
                self.answers += 1


async def fuzz(wanted: argparse.Namespace) -> int:
    """Run and report; 1 if something is wrong."""
    tally, bystander, began = Tally(), Bystander(), monotonic()
    before, memory = alive(), []
    async with edge(max_sessions=_PLACES, park_seconds=0.05) as server:
        asking = asyncio.create_task(bystander.ask_on(server.port))
        for tenth in range(10):
            goal = wanted.messages * (tenth + 1) // 10
            await asyncio.gather(
                *(_attack_on(server, tally, f"{wanted.seed} {tenth} {n}", goal) for n in range(_TOGETHER))
            )
            memory.append(resident_mib())
            _say(f"{tally.messages} messages on {tally.streams} streams, {memory[-1]:.0f} MiB resident")
        bystander.leaving = True
        await asking
        await eventually(lambda: (server.sessions, server.places, server.waiting), (0, 0, 0))
    await eventually(alive, before)
    _report(tally, bystander, monotonic() - began)
    _say(f"resident after half of it {memory[_SETTLED - 1]:.0f} MiB, at the end {memory[-1]:.0f} MiB")
    _say("no session, place, task, thread or decoder is left")
    return 1 if tally.wrong else 0


async def _attack_on(server: EdgeServer, tally: Tally, seed: str, goal: int) -> None:
    async with RawDevice(f"127.0.0.1:{server.port}") as raw:
        number = 0
        while tally.messages < goal:
            await attack(raw, tally, f"{seed} {number}")
            number += 1


def _report(tally: Tally, bystander: Bystander, seconds: float) -> None:
    _say(f"\n{tally.messages} messages on {tally.streams} streams in {seconds:.0f} s")
    ways = sorted({way for way, _ in tally.endings})
    names = sorted({name for _, name in tally.endings})
    _say(f"| ending | {' | '.join(ways)} |\n|---|{'---|' * len(ways)}")
    for name in names:
        _say(f"| {name} | {' | '.join(str(tally.endings[way, name]) for way in ways)} |")
    _say(f"{bystander.answers} answers of a bystander, each the target's own")
    for wrong in tally.wrong[:20]:
        _say(f"WRONG {wrong}")


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000, help="to say at least")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    logging.getLogger("edge_server").setLevel(logging.ERROR)
    return asyncio.run(fuzz(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
