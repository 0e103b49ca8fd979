"""How many answers about held-out pictures are, id for id, what the target alone says.

Every answer crosses real gRPC, from a device in this process to an edge in its own, over a link that may delay, stall
and cut. The other side of the comparison is stock transformers `generate()` with one processor for masks and noise.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from time import monotonic

import torch

from benchmarks.exact.plan import plan, rounds
from benchmarks.exact.running import Lab, compare_all
from benchmarks.exact.table import summary, table
from benchmarks.machine import machine
from deploy.processes import edge_process


async def compare(port: int, wanted: argparse.Namespace) -> bool:
    """Ask, compare and print; whether all answers are identical."""
    begin = monotonic()
    lab = Lab(port)
    todo = rounds(plan(wanted.answers, wanted.seed, await lab.paces()))
    if wanted.only is not None:
        todo = [together for together in todo if any(case.number == wanted.only for case in together.cases)]
    outcomes = await compare_all(lab, todo, _say)
    _say(table(outcomes))
    _say(f"{summary(outcomes)}; float32, seed {wanted.seed}, {monotonic() - begin:.0f} s; {machine()}")
    return bool(outcomes) and all(outcome.identical for outcome in outcomes)


def main() -> int:
    """Run; 1 if any answer differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exact", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, default=600, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the settings, the pictures and the noise")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="the case of this number, with those beside it")
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    torch.set_num_threads(1)
    with edge_process("--model", "demo", "--threads", "1") as edge:
        return 0 if asyncio.run(compare(edge.port, wanted)) else 1


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
