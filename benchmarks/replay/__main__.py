"""Edge tokens a second at 1, 2, 4, 8 and 16 replayed devices, with proposals and without.

First two models in a process of their own record answers; then an edge on one core answers devices that one light
process on the other core replays from them. Every replayed answer must be the recorded one: the exit code tells.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from statistics import fmean

import uvloop

from benchmarks.machine import Cores, machine, move_to
from benchmarks.replay.device import Manner
from benchmarks.replay.play import Load, Round, play
from benchmarks.replay.recording import BLOCK, Found, Wanted, record
from benchmarks.replay.script import Recording
from deploy.processes import edge_process
from device_client.config import DeviceConfig
from shared.speculation.messages import Pace


def main() -> int:
    """Record, play, print; 1 if an answer differs."""
    wanted = _arguments()
    logging.basicConfig(level=logging.ERROR)
    os.environ["OMP_NUM_THREADS"] = "1"
    cores = Cores.chosen(wanted.cores)
    _say(f"{machine()}; {cores}")
    move_to(cores.edge)  # the models are measured where the edge will run
    found = _record(wanted)
    _say(_told(found, wanted.model))
    differing = sum(_rounds(wanted, cores, proposals, found.recordings) for proposals in (True, False))
    _say(f"\n{differing} answers differ from what was recorded")
    return 1 if differing else 0


def _rounds(wanted: argparse.Namespace, cores: Cores, proposals: bool, recordings: tuple[Recording, ...]) -> int:
    """One round for each number of devices, all at one edge; how many answers differ."""
    manner = Manner(wanted.window, Pace(wanted.pace), None if wanted.draft_ms is None else wanted.draft_ms / 1e3)
    most, flag = max(wanted.devices), "--proposals" if proposals else "--no-proposals"
    options = (
        "--model",
        wanted.model,
        "--dtype",
        wanted.dtype,
        "--threads",
        "1",
        "--max-batch",
        str(most),
        "--reuse-mib",
        "0",
    )
    _say(f"\n{flag[2:]}\n{Round.HEADLINE}")
    alone: Round | None = None
    differing = 0
    move_to(cores.edge)
    with edge_process(*options, "--max-sessions", str(2 * most + 2), flag, *wanted.edge) as edge:
        move_to(cores.devices)
        for devices in wanted.devices:
            load = Load(recordings, devices, wanted.answers, manner)
            played = uvloop.run(play(edge.address, edge.process.pid, load))
            alone = alone or played
            differing += played.differing
            _say(played.line(alone))
    return differing


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="demo", help="target: demo, a folder (see benchmarks.expand) or a toy")
    parser.add_argument("--draft", default="demo", help="draft of the recording, in float32")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--recordings", type=int, default=16, help="different questions")
    parser.add_argument("--answers", type=int, default=16, help="of each device")
    parser.add_argument("--tokens", type=int, default=128, help="of an answer, at most")
    parser.add_argument("--whole", action="store_true", help="answers of exactly so many tokens: go on after the end")
    parser.add_argument("--window", type=int, default=DeviceConfig.window)
    parser.add_argument("--pace", default="eager", choices=[pace.value for pace in Pace])
    parser.add_argument("--draft-ms", type=float, help="of a drafted token, instead of what was recorded")
    parser.add_argument("--cores", help="core of the edge and core of the devices, such as 0,1")
    parser.add_argument("--edge", nargs=argparse.REMAINDER, default=[], help="last: further options of the edge")
    return parser.parse_args()


def _record(wanted: argparse.Namespace) -> Found:
    """In a process that is gone afterwards, with the models in it."""
    order = Wanted(wanted.model, wanted.draft, wanted.dtype, wanted.recordings, wanted.tokens, wanted.whole)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(record, order).result()


def _told(found: Found, model: str) -> str:
    tokens = [len(recording.ids) for recording in found.recordings]
    right = sum(recording.matches for recording in found.recordings)
    draft_ms = 1e3 * fmean(recording.token_seconds for recording in found.recordings)
    return (
        f"recorded {len(tokens)} answers of {model}: {sum(tokens)} tokens, {min(tokens)} to {max(tokens)} each; "
        f"the draft was right at {right / sum(tokens):.0%} of them and took {draft_ms:.1f} ms for one\n"
        f"a forward of the target over 1 token {1e3 * found.one_seconds:.2f} ms, over {BLOCK} tokens "
        f"{1e3 * found.block_seconds:.2f} ms: t({BLOCK})/t(1) = {found.block_seconds / found.one_seconds:.2f}"
    )


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
