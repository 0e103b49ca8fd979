"""The very commands of compose.yaml as processes of this machine: edge, emulated link, device; asked once, stopped."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from deploy.certificates import make
from device_client.endpoint.config import EndpointConfig
from tests.support.compose import DEPLOY, asked_for, image, metric_names, running, services

TOYS = {"COVSPEC_EDGE_MODEL": "toy:seed=1", "COVSPEC_DEVICE_DRAFT": "toy:seed=1,agreement=0.8"}


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def eventually(look: Callable[[], bool], process: object, seconds: float = 120) -> None:
    """Ask as a health check does, again and again."""
    deadline = monotonic() + seconds
    while not look():
        assert monotonic() < deadline, f"{process} did not become healthy"
        sleep(0.2)  # between two health checks, which are processes of their own


def get(url: str, body: dict[str, object] | None = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def test_the_commands_of_compose_answer_and_the_dashboard_asks_for_what_they_tell() -> None:
    edge, metrics, link, device = free_ports(4)
    made = services(
        EDGE_PORT=str(edge),
        EDGE_METRICS_PORT=str(metrics),
        LINK_PORT=str(link),
        LINK_REACH=f"127.0.0.1:{edge}",
        LINK_PROFILE="wifi",
        DEVICE_EDGE=f"127.0.0.1:{link}",
        DEVICE_PORT=str(device),
    )
    with running(made["edge"], **TOYS) as one, running(made["link"]) as two:
        eventually(made["edge"].is_healthy, one.args)
        with running(made["device"], **TOYS) as three:
            eventually(made["device"].is_healthy, three.args)
            asked = {"messages": [{"role": "user", "content": "what is it?"}], "max_tokens": 20, "model": "target"}
            asked["model"] = json.loads(get(f"http://127.0.0.1:{device}/v1/models"))["data"][0]["id"]
            answer = json.loads(get(f"http://127.0.0.1:{device}/v1/chat/completions", asked))
            assert answer["choices"][0]["message"]["content"]
            told = [metric_names(get(f"http://127.0.0.1:{port}/metrics")) for port in (metrics, device)]
        assert three.returncode == 0
    assert one.returncode == 0
    assert two.returncode == 0
    panels = json.loads((DEPLOY / "grafana" / "dashboards" / "covspec.json").read_text())
    names = asked_for(panels)
    assert names <= told[0] | told[1]
    assert all(names & each for each in told)


def test_the_image_of_the_edge_runs_by_itself_and_is_healthy_with_tls_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    make(tmp_path)
    port, metrics = map(str, free_ports(2))
    tls = {"COVSPEC_EDGE_TLS_CERT": str(tmp_path / "edge.pem"), "COVSPEC_EDGE_TLS_KEY": str(tmp_path / "edge-key.pem")}
    variables = {**tls, "COVSPEC_EDGE_PORT": port, "COVSPEC_EDGE_METRICS_PORT": metrics, **TOYS}
    edge = image("edge")
    assert not edge.is_healthy(**variables)
    with running(edge, **variables) as process:
        eventually(lambda: edge.is_healthy(**variables), process.args)
    assert process.returncode == 0


def test_the_image_of_the_device_runs_by_itself() -> None:
    device = image("device")
    assert device.command == ("device-client", "serve")  # on loopback, which needs no key
    assert device.health[-1] == "http://127.0.0.1:$COVSPEC_DEVICE_PORT/health"
    assert device.environment["COVSPEC_DEVICE_PORT"] == str(EndpointConfig().port)


def test_a_service_that_is_not_there_is_not_healthy() -> None:
    (port,) = free_ports(1)
    made = services(EDGE_METRICS_PORT=str(port), DEVICE_PORT=str(port))
    assert not made["edge"].is_healthy()
    assert not made["device"].is_healthy()
