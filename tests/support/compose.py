"""Reads compose.yaml as compose does, as far as ours goes: variables put in, commands and health checks as lists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True)
class Service:
    """What compose would run, and ask about its health."""

    command: tuple[str, ...]
    health: tuple[str, ...]
    environment: Mapping[str, str]

    def is_healthy(self, **environment: str) -> bool:
        """Ask as compose would, and docker."""
        assert self.health[0] == "CMD"
        variables = os.environ | self.environment | environment
        asked = subprocess.run(_here(self.health[1:]), check=False, cwd=DEPLOY.parent, env=variables)
        return asked.returncode == 0


def services(file: str = "compose.yaml", **variables: str) -> dict[str, Service]:
    """All of them, with these variables set and no others."""
    loaded = yaml.safe_load(filled((DEPLOY / file).read_text(encoding="utf-8"), variables))
    return {
        name: Service(
            tuple(service.get("command", ())),
            tuple(service.get("healthcheck", {}).get("test", ())),
            service.get("environment", {}),
        )
        for name, service in loaded["services"].items()
    }


def image(stage: str) -> Service:
    """What an image of the Dockerfile runs by itself, with its own environment and its own health check."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (lines,) = re.findall(rf"^FROM run AS {stage}\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL)
    (command,) = re.findall(r"^CMD (\[.*\])$", lines, re.MULTILINE)
    (health,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", lines, re.MULTILINE)
    variables = dict(
        word.split("=", 1) for each in re.findall(r"^ENV (.*)$", lines, re.MULTILINE) for word in each.split()
    )
    return Service(tuple(json.loads(command)), ("CMD", *json.loads(health)), variables)


def filled(text: str, variables: Mapping[str, str]) -> str:
    """The text with `${NAME:-default}` replaced."""
    return _VARIABLE.sub(lambda found: variables.get(found[1]) or found[2], text)


def knobs(text: str) -> dict[str, str]:
    """The variables that a compose file asks for, and their defaults."""
    return dict(_VARIABLE.findall(text))


@contextmanager
def running(service: Service, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The service's command as a process of this machine; told to stop afterwards, as compose tells it."""
    variables = os.environ | service.environment | environment
    process = subprocess.Popen(
        _here(service.command), env=variables, stderr=subprocess.PIPE, text=True, cwd=DEPLOY.parent
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _here(command: tuple[str, ...]) -> list[str]:
    """The same with the programs of this environment: in an image they are on the path."""
    program, *arguments = command
    beside = Path(sys.executable).parent / ("python" if program == "python3" else program)
    assert beside.exists(), f"{program} is none of ours"
    return [str(beside), *arguments]


def metric_names(text: str) -> set[str]:
    """The names of the series that Prometheus' text format announces, those that have no value yet included."""
    kinds = dict(line.split(" ")[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
    parts = ("_bucket", "_sum", "_count")
    return kinds.keys() | {name + part for name, kind in kinds.items() if kind == "histogram" for part in parts}


def asked_for(dashboard: Mapping[str, Any]) -> set[str]:
    """The names of the series that a dashboard's panels ask for."""
    said = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    return set(re.findall(r"covspec_\w+", said))
