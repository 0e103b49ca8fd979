"""The very commands of compose.yaml as processes of this machine: edge, emulated link, device; asked once, stopped."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Callable
from dataclasses import fields
from time import monotonic, sleep

from edge_server.config import EdgeConfig
from tests.support.compose import DEPLOY, asked_for, metric_names, running, services

EDGE_MEASURES = any(field.name == "metrics_port" for field in fields(EdgeConfig))
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
            told = metric_names(get(f"http://127.0.0.1:{device}/metrics"))
            if EDGE_MEASURES:
                told |= metric_names(get(f"http://127.0.0.1:{metrics}/metrics"))
        assert three.returncode == 0
    assert one.returncode == 0
    assert two.returncode == 0
    panels = json.loads((DEPLOY / "grafana" / "dashboards" / "covspec.json").read_text())
    asked_names = asked_for(panels)
    assert {name for name in asked_names if EDGE_MEASURES or name.startswith("covspec_device_")} <= told
    assert told & asked_names


def test_a_service_that_is_not_there_is_not_healthy() -> None:
    (port,) = free_ports(1)
    made = services(EDGE_PORT=str(port), DEVICE_PORT=str(port))
    assert not made["edge"].is_healthy()
    assert not made["device"].is_healthy()
