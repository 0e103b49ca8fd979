"""Acceptance by rule on the same positions, and bytes by preset in real answers: the tables of docs/rules.md."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from statistics import fmean

import torch
import uvloop

from benchmarks.acceptance.laws import Chances4
from benchmarks.acceptance.positions import positions
from benchmarks.acceptance.traffic import PAPER_IDS, Sent, sent
from benchmarks.machine import machine
from device_client.presets import PRESETS, PresetName
from shared.demo.pair import draft_folder, target_folder
from shared.speculation.request import SamplingWish
from shared.vlm.load import load
from shared.vlm.port import Vlm

_PAPER_MB = {"vanilla-sd": 568.09, "u-hlm": 155.27, "covspec-paper": 16.49}  # per 1024 tokens, VQAv2


def main() -> int:
    """Measure and print."""
    wanted = _arguments()
    logging.basicConfig(level=logging.ERROR)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    _say(machine())
    target = load(str(target_folder()) if wanted.model == "demo" else wanted.model)
    draft = load(str(draft_folder()) if wanted.draft == "demo" else wanted.draft)
    _say(f"\nacceptance on the target's own text, {wanted.answers} answers; a scalar's law is that of a whole row")
    _say("| T | positions | coupled | rejection, whole row or scalar | sparse | point | coupled gives up |")
    _say("|---|---|---|---|---|---|---|")
    for temperature in wanted.temperatures:
        found: list[Chances4] = []
        for number in range(wanted.answers):
            found += positions(target, draft, number, temperature, wanted.tokens)
        _say(_line(temperature, found))
    for temperature in wanted.traffic:
        _traffic(wanted, target, draft, temperature)
    return 0


def _line(temperature: float, found: list[Chances4]) -> str:
    means = [fmean(getattr(each, name) for each in found) for name in ("coupled", "dense", "sparse", "point")]
    told = " | ".join(f"{mean:.3f}" for mean in means)
    return f"| {temperature:g} | {len(found)} | {told} | {means[1] - means[0]:.3f} |"


def _traffic(wanted: argparse.Namespace, target: Vlm, draft: Vlm, temperature: float) -> None:
    _say(f"\nbytes of payload beside the pictures for 1024 tokens at T {temperature:g}, {wanted.asked} answers")
    _say(f"| preset | up | down | both | at {PAPER_IDS} ids | paper | passes/token | accepted/step | unverified |")
    _say("|---|---|---|---|---|---|---|---|---|")
    wishes = [
        (number, SamplingWish(temperature=temperature, seed=number, max_tokens=wanted.tokens))
        for number in range(wanted.asked)
    ]
    names: list[PresetName] = [name for name in PRESETS if name != "device-only"]
    for name in names:
        _say(_row(name, uvloop.run(sent(target, draft, name, wishes))))


def _row(name: PresetName, found: Sent) -> str:
    unverified = "none" if found.lossy is None else f"lossy: {found.lossy} of {found.tokens}"
    paper = f"{_PAPER_MB[name]:.2f} MB" if name in _PAPER_MB else ""
    return (
        f"| {name} | {_size(found.per_1024(found.up))} | {_size(found.per_1024(found.down))} | {_size(found.bytes)}"
        f" | {_size(found.scaled)} | {paper} | {found.steps / found.tokens:.2f}"
        f" | {found.accepted / max(1, found.steps):.2f} | {unverified} |"
    )


def _size(count: float) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.acceptance", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--model", default="demo", help="target: demo, a folder or a toy")
    parser.add_argument("--draft", default="demo")
    parser.add_argument("--answers", type=int, default=48, help="of which the positions are taken, at each temperature")
    parser.add_argument("--asked", type=int, default=24, help="answers for the bytes of each preset")
    parser.add_argument("--tokens", type=int, default=256, help="of an answer, at most")
    parser.add_argument("--temperatures", type=float, nargs="*", default=[0.7, 1.0, 1.5])
    parser.add_argument("--traffic", type=float, nargs="*", default=[0.7, 1.0], help="temperatures of the bytes")
    return parser.parse_args()


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
