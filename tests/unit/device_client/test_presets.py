"""A preset sets options of the device and nothing else, and whatever is said beside it wins."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import get_args

import pytest
from cyclopts import App
from cyclopts.config import Env

from device_client.config import DeviceConfig
from device_client.presets import PRESETS, PresetName
from shared.command_line import Presets


def parsed(*words: str) -> DeviceConfig:
    """What a command line makes of `words`, with presets behind flags and environment."""
    seen: list[DeviceConfig] = []
    app = App(result_action="return_value")

    @app.command
    def ask(config: DeviceConfig = DeviceConfig()) -> None:  # noqa: B008 - frozen
        seen.append(config)

    named = {str(name): settings for name, settings in PRESETS.items()}
    app.config = (Env("COVSPEC_DEVICE_", command=False), Presets(named))
    app(["ask", *words], exit_on_error=False)
    return seen[0]


def test_the_table_has_every_name_and_only_options_that_there_are() -> None:
    assert set(PRESETS) == set(get_args(PresetName))
    options = {field.name for field in fields(DeviceConfig)}
    assert all(set(settings) <= options for settings in PRESETS.values())


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_sets_what_the_table_says(name: PresetName) -> None:
    assert parsed("--preset", name) == replace(DeviceConfig(preset=name), **PRESETS[name])  # type: ignore[arg-type]


def test_a_flag_and_the_environment_win_over_a_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVSPEC_DEVICE_WINDOW", "9")
    config = parsed("--preset", "vanilla-sd", "--evidence", "sparse", "--no-lockstep")
    assert (config.window, config.evidence, config.lockstep, config.rule) == (9, "sparse", False, "rejection")


def test_a_preset_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVSPEC_DEVICE_PRESET", "dssd")
    assert parsed().evidence == "scalar"
    assert parsed().rule == "rejection"


def test_without_a_preset_nothing_is_set() -> None:
    assert parsed() == DeviceConfig()
