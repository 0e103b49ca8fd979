"""Variables: empty ones are not set, wrong values and mistyped names are told, and nothing is repeated."""

from __future__ import annotations

import pytest

import device_client.__main__ as device
import edge_server.__main__ as edge
from shared.command_line import hints, run
from shared.environment import PREFIXES, unknown_variables
from shared.option_names import DEVICE, EDGE, OPTIONS
from shared.option_values import plain, text_problem

APPS = {EDGE: edge.app, DEVICE: device.app}
KNOWN = [f"{PREFIXES[EDGE if verb == EDGE else DEVICE]}{name.upper()}" for verb in OPTIONS for name in OPTIONS[verb]]


def test_every_variable_of_both_ends_is_known() -> None:
    assert list(unknown_variables(dict.fromkeys([*KNOWN, "COVSPEC_EDGE_CONFIG", "COVSPEC_DEVICE_CONFIG"], "x"))) == []


@pytest.mark.parametrize("name", KNOWN)
def test_a_mistyped_variable_is_told_with_the_one_that_is_near(name: str) -> None:
    mistyped = f"{name[:-2]}{name[-1]}{name[-2]}X"
    (told,) = unknown_variables({mistyped: "s3cret", "PATH": "/bin"})
    assert told.startswith(f"nothing reads the variable {mistyped}; did you mean COVSPEC_")
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("COVSPEC_TOKEN", "COVSPEC_DEVICE_TOKEN"),
        ("covspec_device_edge", "COVSPEC_DEVICE_EDGE"),
        ("COVSPEC_DEVICE_MAX_TOKEN", "COVSPEC_DEVICE_MAX_TOKENS"),
        ("COVSPEC_EDGE_TENANT", "COVSPEC_EDGE_TENANTS"),
        ("COVSPEC_DEVICE_NO_BRANCHES", "COVSPEC_DEVICE_BRANCHES"),
    ],
)
def test_what_people_mistype(name: str, near: str) -> None:
    assert list(unknown_variables({name: "x"})) == [f"nothing reads the variable {name}; did you mean {near}?"]


def test_what_kubernetes_puts_beside_a_service_is_no_mistake() -> None:
    links = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_GRPC", "PORT_50051_TCP", "PORT_50051_TCP_ADDR")
    assert list(unknown_variables({f"COVSPEC_EDGE_{link}": "10.0.0.1" for link in links})) == []


@pytest.mark.parametrize("end", [EDGE, DEVICE])
def test_a_text_that_an_option_cannot_take_is_refused_without_repeating_it(end: str) -> None:
    for options in hints(APPS[end]).values():
        for option, hint in options.items():
            if plain(hint) in (bool, int, float) or "Literal" in repr(hint):
                wrong = text_problem("s3cret", hint)
                assert wrong is not None, option
                assert wrong.startswith("must be")
                assert "s3cret" not in wrong
    assert text_problem("3.7", int) == "must be a whole number"


def test_a_wrong_value_ends_with_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COVSPEC_EDGE_PORT", "tcp://10.0.0.1:50051")
    monkeypatch.setenv("COVSPEC_EDGE_TENANT", "s3cret")
    assert run(edge.app, []) == 2
    note, refused = capsys.readouterr().err.splitlines()
    assert (
        note == "edge-server: note: nothing reads the variable COVSPEC_EDGE_TENANT; did you mean COVSPEC_EDGE_TENANTS?"
    )
    assert refused.startswith(
        "edge-server: the variable COVSPEC_EDGE_PORT must be a whole number; what it holds is a link"
    )


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for option, hint in hints(edge.app)[EDGE].items():
        monkeypatch.setenv(f"COVSPEC_EDGE_{option.upper()}", "")
        assert hint is not None
    monkeypatch.setenv("COVSPEC_EDGE_CONFIG", "")
    assert run(edge.app, ["--max-window", "65"]) == 2
    assert capsys.readouterr().err == "edge-server: max_window is 65: must lie between 1 and 64\n"
