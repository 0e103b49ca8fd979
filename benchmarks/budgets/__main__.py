"""Runs the attacks, each on ends of its own, and prints what they hold and how long an honest device takes beside."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial

from benchmarks.budgets import http, strangers, streams
from benchmarks.budgets.attack import Attack, Tally
from benchmarks.budgets.honest import Times, asking, asking_by_http
from benchmarks.budgets.target import Peak, Target, resident_mib, running
from benchmarks.machine import machine

EDGE: Sequence[Attack] = (
    streams.slow_uploads,
    streams.large_words,
    streams.large_private,
    streams.large_special,
    streams.openings,
    streams.refused,
    streams.large_images,
    strangers.watches,
    strangers.reflections,
    strangers.questions,
    strangers.silence,
)
ENDPOINT: Sequence[Attack] = (http.drips, http.large_images_by_http, http.slow_requests_by_http)
ATTACKS: Mapping[str, Attack] = {attack.__name__: attack for attack in (*EDGE, *ENDPOINT)}
_LEAST = 8  # answers that make a median
_AFTER_SECONDS = 3.0  # for the target to let go of what it held
_BEGUN = "begun"
_NICE = 19  # an attacker has a machine of its own: here it gets what the attacked and the honest one leave


def main() -> int:
    """Attack and print; 1 if an honest device took more than `--most` times as long."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budgets", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("attack", nargs="*", choices=[[], *ATTACKS], help="all of them unless some are named")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each attack, at least")
    parser.add_argument("--most", type=float, default=2.0, help="how many times as long an answer may take")
    parser.add_argument("--against", help=argparse.SUPPRESS)  # a target: this is the process that attacks
    wanted = parser.parse_args()
    if wanted.against:
        return asyncio.run(_strike(ATTACKS[wanted.attack[0]], Target(**json.loads(wanted.against)), wanted.seconds))
    _say(machine())
    _say(f"{'attack':<22} {'MiB before':>10} {'most':>7} {'after':>7}  {'answer':>14} {'first token':>14}  taken")
    worst = max([_row(name, wanted.seconds) for name in wanted.attack or ATTACKS])
    _say(f"the worst ratio of an honest answer: {worst:.2f}")
    return int(worst > wanted.most)


def _row(name: str, seconds: float) -> float:
    """Attack a target and print; the ratio of an honest device's answers."""
    with running(endpoint=ATTACKS[name] in ENDPOINT) as target:
        alone = _honest(target, lambda times: len(times.answers) >= 2 * _LEAST)
        before, began = resident_mib(target.pid), time.monotonic()

        def enough(times: Times) -> bool:
            spent = time.monotonic() - began
            return spent > seconds and (len(times.answers) >= _LEAST or spent > 4 * seconds)

        with Peak(target.pid) as peak:
            with _striking(name, target, 5 * seconds) as process:
                beside = _honest(target, enough)
            tally = json.loads(process.stdout.read() or "{}") if process.stdout is not None else {}
        time.sleep(_AFTER_SECONDS)
        after = resident_mib(target.pid)
    answer, first = beside.answer / alone.answer, beside.first / alone.first
    _say(
        f"{name:<22} {before:>10.0f} {peak.most:>7.0f} {after:>7.0f}  {alone.answer:.2f} s x {answer:<5.2f}"
        f" {alone.first:.2f} s x {first:<5.2f}  {tally.get('taken', '?')}, {tally.get('refused', '?')}"
        + (f"  honest failures: {len(beside.failed)}, {beside.failed[0]}" if beside.failed else "")
    )
    return answer


def _honest(target: Target, enough: object) -> Times:
    if target.endpoint is not None:
        return asking_by_http(target.endpoint, enough)  # type: ignore[arg-type]
    return asyncio.run(asking(target.edge, enough))  # type: ignore[arg-type]


@contextmanager
def _striking(name: str, target: Target, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The attack in a process of its own, from its first second on."""
    command = [sys.executable, "-m", "benchmarks.budgets", name, "--seconds", str(seconds)]
    process = subprocess.Popen(
        [*command, "--against", json.dumps(asdict(target))], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()  # it ends then
        process.wait(30)


async def _strike(attack: Attack, target: Target, seconds: float) -> int:
    """Attack until whoever has started this process has had enough."""
    os.nice(_NICE)
    tally = Tally()
    _say(_BEGUN)
    striking = asyncio.ensure_future(attack(target, tally))
    over = asyncio.get_running_loop().run_in_executor(None, partial(sys.stdin.read))
    await asyncio.wait([striking, over], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if striking.done() and not striking.cancelled() and striking.exception() is not None:
        sys.stderr.write(f"the attack ended: {striking.exception()!r}\n")
    striking.cancel()
    _say(json.dumps({"taken": tally.taken, "refused": dict(tally.refused)}))
    sys.stdout.flush()
    if not over.done():
        await asyncio.wait([over], timeout=seconds)
    return 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
