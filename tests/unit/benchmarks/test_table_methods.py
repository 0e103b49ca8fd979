"""What is compared differs from a preset by what its name says, and a device can be made of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.table.methods import ABLATION_NAMES, METHOD_NAMES, METHODS, VARIANT_NAMES, MethodName
from benchmarks.table.tally import exactness
from device_client.config import DeviceConfig
from device_client.presets import PRESETS


def test_every_method_is_a_device_that_can_be_made() -> None:
    made: dict[MethodName, DeviceConfig] = {}
    for method in METHOD_NAMES:
        settings: Any = METHODS[method]
        made[method] = replace(DeviceConfig(edge="localhost:1"), **settings)
    assert made["covspec"].branches
    assert not made["covspec:no-branches"].branches


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("all-tokens", {"prune"}),
        ("random-tokens", {"prune"}),
        ("no-gate", {"gate", "gate_rule"}),
        ("fixed-window", {"policy", "window"}),
        ("rows-up", {"evidence"}),
    ],
)
def test_an_ablation_changes_one_part(method: str, parts: set[str]) -> None:
    full = PRESETS["covspec-paper"]
    (settings,) = (METHODS[name] for name in ABLATION_NAMES if name.endswith(f":{method}"))
    assert {name for name in {*full, *settings} if full.get(name) != settings.get(name)} == parts


def test_a_variant_of_ours_changes_one_part_and_owes_the_targets_own_answer() -> None:
    for name in VARIANT_NAMES:
        assert len(METHODS[name]) == 1
        assert exactness(name, 0.7).value == "ids"


def test_without_its_gate_the_papers_system_is_the_targets_own() -> None:
    assert exactness("covspec-paper:no-gate", 0.0).value == "ids"
    assert exactness("covspec-paper:rows-up", 0.0).value == "lossy"
