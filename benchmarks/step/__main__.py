"""What a step costs in software: from a Propose that comes to the edge to its Commit, less the model's forward.

The target is a toy; the edge has one core and the devices, all in this process, another. Then the parts of a step one
by one in this process, and what choosing costs in a vocabulary of real size.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import fields

import numpy as np
import uvloop

from benchmarks.machine import Cores, cpu_seconds, machine, move_to
from benchmarks.step import parts
from benchmarks.step.pinging import Known, Times, ping
from deploy.processes import edge_process
from device_client.link import connect, server_info
from shared.speculation.request import SamplingWish
from shared.vlm.load import load

PERCENTILES = (50, 90, 99)
HEADLINE = f"{'ms':44}" + "".join(f"{f'p{percentile}':>9}" for percentile in PERCENTILES)


def main() -> int:
    """Measure and print; 1 if an answer was not the target's own."""
    wanted = _arguments()
    logging.basicConfig(level=logging.ERROR)
    os.environ["OMP_NUM_THREADS"] = "1"
    cores = Cores.chosen(wanted.cores)
    _say(
        f"{machine()}; {cores}\n"
        f"target {wanted.model}, {wanted.block} proposals in each step, temperature {wanted.temperature}"
    )
    wish = SamplingWish(wanted.temperature, seed=7, max_tokens=wanted.tokens, ignore_eos=True)
    known = Known.of(load(wanted.model), "tell me more", wish, wanted.block)
    wrong = 0
    for sessions in wanted.sessions:
        move_to(cores.edge)
        with edge_process("--model", wanted.model, "--threads", "1", "--max-sessions", str(sessions + 1)) as edge:
            move_to(cores.devices)
            wrong += uvloop.run(_sessions(edge.address, edge.process.pid, known, sessions))
    _say("\nparts of a step, in this process (µs, median)")
    for name, seconds in parts.of_a_step(wanted.model, wanted.block):
        _say(f"  {name:60}{1e6 * seconds:9.0f}")
    _say(f"\nchoosing after {wanted.block} proposals among {parts.ROWS} ids, {wanted.block + 1} rows (ms, median)")
    for name, seconds in parts.of_choosing(wanted.block):
        _say(f"  {name:60}{1e3 * seconds:9.2f}")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="toy:seed=1", help="toy target; step_seconds=0.01 imitates a forward")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--tokens", type=int, default=2000, help="of each session's answer")
    parser.add_argument("--block", type=int, default=4, help="proposals in a step")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--cores", help="core of the edge and core of the devices, such as 0,1")
    return parser.parse_args()


async def _sessions(address: str, edge_pid: int, known: Known, sessions: int) -> int:
    """Play the answer in so many sessions at once, once to warm up; how many came out wrong."""
    times = Times()
    async with AsyncExitStack() as stack:
        channels = [connect(address) for _ in range(sessions)]
        for channel in channels:
            stack.push_async_callback(channel.close)
        info = await server_info(channels[0])
        texts = [await ping(channels[0], info, known, Times())]
        used = cpu_seconds(edge_pid), cpu_seconds(os.getpid())
        texts += await asyncio.gather(*(ping(channel, info, known, times) for channel in channels))
        edge_seconds = cpu_seconds(edge_pid) - used[0]
        device_seconds = cpu_seconds(os.getpid()) - used[1]
    proposes = len(times.device)
    _say(f"\n{sessions} {'session' if sessions == 1 else 'sessions'}, {proposes} proposes\n{HEADLINE}")
    names = (
        "held at the edge, less the forward",
        "round trip, less the forward",
        "device: commit to propose",
        "forward",
    )
    for name, item in zip(names, fields(times), strict=True):
        values = np.percentile(getattr(times, item.name), PERCENTILES)
        _say(f"  {name:42}" + "".join(f"{1e3 * value:9.3f}" for value in values))
    _say(
        f"  computed for a propose: edge {1e3 * edge_seconds / proposes:.2f} ms (forward included), "
        f"devices {1e3 * device_seconds / proposes:.2f} ms"
    )
    return sum(text != known.ids for text in texts)


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
