"""The models of a setting: the packaged pair, expanded until a target step and a draft token cost what is wanted.

Guarantees: answers are the packaged target's; costs are measured on the core where the model will run, not computed.
The random draft has the draft's shape and cost, and agrees with nobody.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmarks.expand import WEIGHTS, Expansion, expanded
from benchmarks.machine import Cores, move_to
from shared.demo.pair import draft_folder, target_folder

_TRIAL_LAYERS = 6


@dataclass(frozen=True)
class Models:
    """Folders and number formats. Seconds as measured alone, before the benchmark."""

    name: str
    target: str
    target_dtype: str
    draft: str
    random: str
    draft_dtype: str
    step_seconds: float
    draft_seconds: float

    def said(self) -> str:
        """For a person."""
        step, draft = 1e3 * self.step_seconds, 1e3 * self.draft_seconds
        return f"{self.name}: target step {step:.1f} ms ({self.target_dtype}), draft token {draft:.2f} ms"


def like_the_paper(folder: Path, scale: float, cores: Cores) -> Models:
    """A target step of 190 ms and a draft token of 55 ms, times `scale`; bfloat16."""
    draft, seconds = _costing(draft_folder(), folder / "draft", 0.055 * scale, cores.devices)
    target, step = _costing(target_folder(), folder / "target", seconds * 190 / 55, cores.edge)
    random = _random(draft, folder / "random")
    return Models("190 : 55", str(target), "bfloat16", str(draft), str(random), "bfloat16", step, seconds)


def small_draft(folder: Path, cores: Cores) -> Models:
    """The packaged draft, in float32, before a target that costs 40 of its tokens."""
    draft = draft_folder()
    seconds = _measured(draft, "float32", cores.devices)
    target, step = _costing(target_folder(), folder / "target", seconds * 40, cores.edge)
    random = _random(draft, folder / "random")
    return Models("40 : 1", str(target), "bfloat16", str(draft), str(random), "float32", step, seconds)


def compute_bound(folder: Path, cores: Cores) -> Models:
    """The target in float32, where each token of a step costs: eight take about three times as long as one."""
    draft = draft_folder()
    target = expanded(target_folder(), folder / "target", Expansion())
    step, seconds = _measured(target, "float32", cores.edge), _measured(draft, "float32", cores.devices)
    random = _random(draft, folder / "random")
    return Models("compute-bound", str(target), "float32", str(draft), str(random), "float32", step, seconds)


def packaged(folder: Path, cores: Cores) -> Models:
    """The packaged pair as it is: quick, and too small for its speed to say much."""
    target, draft = target_folder(), draft_folder()
    step, seconds = _measured(target, "float32", cores.edge), _measured(draft, "float32", cores.devices)
    random = _random(draft, folder / "random")
    return Models("packaged", str(target), "float32", str(draft), str(random), "float32", step, seconds)


def _costing(source: Path, into: Path, wanted: float, core: int | None) -> tuple[Path, float]:
    """`source`, expanded by as many layers as bring a token to `wanted` seconds in bfloat16, and what it then takes."""
    none, some = Expansion(), Expansion(layers=_TRIAL_LAYERS)
    times = []
    for number, trial in enumerate((none, some)):
        folder = expanded(source, into.with_name(f"{into.name}-trial-{number}"), trial)
        times.append(_measured(folder, "bfloat16", core))
    each = (times[1] - times[0]) / _TRIAL_LAYERS
    layers = max(0, round((wanted - times[0]) / each))
    folder = expanded(source, into, replace(none, layers=layers))
    return folder, _measured(folder, "bfloat16", core)


def _measured(folder: Path, dtype: str, core: int | None) -> float:
    """Seconds of a step over one token, in a process of its own on that core."""
    command = [sys.executable, "-m", "benchmarks.speed.stopwatch", str(folder), dtype, "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=lambda: move_to(core))
    return float(json.loads(done.stdout)["1"])


def _random(source: Path, into: Path) -> Path:
    """The same shapes with weights drawn at random."""
    folder = expanded(source, into, Expansion(1, 1, 1, 0))
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(tensor.shape, generator=generator).mul(0.02).to(tensor.dtype)
        for name, tensor in load_file(folder / WEIGHTS).items()
    }
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    return folder
