"""The systems that CoVSpec is compared with, each the same program with other settings. One table; see docs/rules.md.

A preset sets what stands here and nothing else; whatever is said beside it, by flag, environment or file, wins. Light
to import: the command line's help needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

PresetName = Literal[
    "edge-only",
    "device-only",
    "vanilla-sd",
    "dssd",
    "u-hlm",
    "stop-and-wait",
    "covspec-paper",
    "covspec",
]

Setting = bool | int | float | str

# Rounds in which the device rests while the edge works, and a draft that reads every visual token.
_ROUNDS: Mapping[str, Setting] = {
    "pace": "thrifty",
    "lockstep": True,
    "branches": False,
    "policy": "fixed",
    "window": 4,
    "prune": "none",
}

PRESETS: Mapping[PresetName, Mapping[str, Setting]] = {
    # The target alone, and the draft alone.
    "edge-only": {"drafting": False},
    "device-only": {"alone": True, "prune": "none"},
    # Rounds of four; the whole law of each proposal goes up (Leviathan et al., arXiv 2211.17192, across a link).
    "vanilla-sd": {**_ROUNDS, "rule": "rejection", "evidence": "dense"},
    # Rounds of four; scalars go up, one row comes down after a rejection, the device corrects (arXiv 2507.12000).
    "dssd": {**_ROUNDS, "rule": "rejection", "evidence": "scalar"},
    # What the draft is sure of is taken as it is; the first other token goes up with its whole law (arXiv 2412.12687).
    "u-hlm": {
        **_ROUNDS,
        "rule": "rejection",
        "evidence": "dense",
        "window": 16,
        "policy": "unsure",
        "bonus": False,
        "gate": 0.073,
        "gate_rule": "uncertainty",
    },
    # Rounds of ids alone, as SpecEdge sends them (arXiv 2505.17052), without its trees.
    "stop-and-wait": _ROUNDS,
    # The five modules as the paper has them, in our reading (arXiv 2605.02218). Lossy.
    "covspec-paper": {
        "pace": "thrifty",
        "lockstep": True,
        "policy": "average",
        "rule": "rejection",
        "evidence": "scalar",
        "prune": "covspec",
        "keep": "8.3%",
        "gate": 0.9,
        "gate_rule": "probability",
    },
    # Ours.
    "covspec": {},
}
