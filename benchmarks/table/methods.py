"""What is compared: every preset, the paper's own system with one of its modules taken out at a time, and ours with one
of its parts changed.

Guarantees: a method is a preset's settings with a few changed, and nothing else. The ablations are those of the paper's
second table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from device_client.presets import PRESETS, PresetName, Setting

AblationName = Literal[
    "covspec-paper:all-tokens",
    "covspec-paper:random-tokens",
    "covspec-paper:no-gate",
    "covspec-paper:fixed-window",
    "covspec-paper:no-branches",
    "covspec-paper:rows-up",
]
VariantName = Literal[
    "covspec:all-tokens",
    "covspec:no-branches",
    "covspec:tree",
]
MethodName = PresetName | AblationName | VariantName

PRESET_NAMES: tuple[PresetName, ...] = get_args(PresetName)
ABLATION_NAMES: tuple[AblationName, ...] = get_args(AblationName)
VARIANT_NAMES: tuple[VariantName, ...] = get_args(VariantName)
METHOD_NAMES: tuple[MethodName, ...] = (*PRESET_NAMES, *ABLATION_NAMES, *VARIANT_NAMES)

_PAPER = PRESETS["covspec-paper"]
_UNGATED = {name: value for name, value in _PAPER.items() if name not in ("gate", "gate_rule")}
_ABLATIONS: dict[AblationName, Mapping[str, Setting]] = {
    "covspec-paper:all-tokens": {**_PAPER, "prune": "none"},
    "covspec-paper:random-tokens": {**_PAPER, "prune": "random"},
    "covspec-paper:no-gate": _UNGATED,
    "covspec-paper:fixed-window": {**_PAPER, "policy": "fixed", "window": 4},
    "covspec-paper:no-branches": {**_PAPER, "branches": False},
    # Not decoupled: each proposal's whole law goes up, and the edge corrects.
    "covspec-paper:rows-up": {**_PAPER, "evidence": "dense"},
}
_VARIANTS: dict[VariantName, Mapping[str, Setting]] = {
    "covspec:all-tokens": {"prune": "none"},
    "covspec:no-branches": {"branches": False},
    "covspec:tree": {"tree": 32},
}
METHODS: Mapping[MethodName, Mapping[str, Setting]] = {
    **{name: PRESETS[name] for name in PRESET_NAMES},
    **{name: _ABLATIONS[name] for name in ABLATION_NAMES},
    **{name: _VARIANTS[name] for name in VARIANT_NAMES},
}
