"""The emulated link with real processes at its ends, of both kinds. Times are compared from below alone."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.link import Kind, Link, Profile, emulated_link, round_trip
from deploy.processes import edge_process
from shared.errors import InvalidValue, Unavailable, Unsupported

SHORT = round_trip(2)
KINDS = pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
NAMESPACES = Path("/run/netns")


@contextmanager
def link_of(kind: Kind, profile: Profile = SHORT, **options: str) -> Iterator[Link]:
    """The link, or a skipped test where the machine does not allow it."""
    with ExitStack() as stack:
        try:
            link = stack.enter_context(emulated_link(profile, kind=kind, **options))  # type: ignore[arg-type]
        except Unsupported as error:
            pytest.skip(str(error))
        yield link


class End:
    """A process at one end."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, words: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return self.hear()


@contextmanager
def ends(link: Link) -> Iterator[tuple[End, End]]:
    """A connected device, and the edge."""
    support = [sys.executable, "-m", "tests.support.link_ends"]
    edge = End(link.edge([*support, "echo", link.edge_host]))
    with edge.process:
        device = End(link.device([*support, "device", link.device_address(int(edge.hear()))]))
        with device.process:
            try:
                yield device, edge
            finally:
                device.process.terminate()
                edge.process.terminate()


def namespace_of(link: Link) -> tuple[Path, int]:
    """The edge's namespace, and the process that carries the link."""
    name = link.edge()[-1]
    return NAMESPACES / name, int(name.split("-")[1])


@KINDS
def test_bytes_arrive_whole_and_in_order_both_ways(kind: Kind) -> None:
    loss = 0.01 if kind is Kind.TUN else 0.0
    with link_of(kind, Profile(delay_ms=1, mbit=50, loss=loss)) as link, ends(link) as (device, _):
        assert [device.ask("send 300000"), device.ask("send 1000")] == ["whole", "whole"]
        passed = link.traffic()
        assert min(passed.up.bytes, passed.down.bytes) > 301_000
        assert (passed.up.lost > 0) == (loss > 0)
        assert link.cpu_seconds() > 0


@KINDS
def test_a_profile_that_changes_at_run_time_is_in_force_at_once(kind: Kind) -> None:
    with link_of(kind) as link, ends(link) as (device, _):
        for milliseconds in (5, 60, 20):
            link.set(round_trip(milliseconds))
            assert float(device.ask("trip")) >= milliseconds
        link.set(round_trip(0), down=round_trip(80))
        assert float(device.ask("trip")) >= 40


@KINDS
def test_a_blackhole_holds_everything_until_it_ends(kind: Kind) -> None:
    with link_of(kind) as link, ends(link) as (device, _):
        device.ask("trip")
        link.blackhole(True)
        device.ask("knock")
        assert device.ask("hear 0.05") == "nothing"
        link.blackhole(False)
        assert device.ask("hear 60") == "k"


@KINDS
def test_a_cut_breaks_both_ends_and_new_connections_are_welcome(kind: Kind) -> None:
    with link_of(kind) as link, ends(link) as (device, edge):
        device.ask("trip")
        link.cut()
        assert (device.ask("wait"), edge.hear()) == ("broken", "broken")
        assert device.ask("again") == "connected"
        assert device.ask("send 1000") == "whole"


@pytest.mark.parametrize("congestion", ["cubic", "reno"])
def test_both_ends_use_the_congestion_control_that_was_asked_for(congestion: str) -> None:
    with link_of(Kind.TUN, congestion=congestion) as link, ends(link) as (device, _):
        device.ask("trip")
        for end in (link.device, link.edge):
            sockets = subprocess.run(end(["ss", "-tinH"]), capture_output=True, text=True, check=True).stdout
            assert congestion in sockets.split()


@KINDS
def test_nothing_is_left_after_the_block(kind: Kind) -> None:
    with link_of(kind) as link, ends(link) as (device, _):
        device.ask("trip")
    with pytest.raises(Unavailable):
        link.blackhole(True)
    with pytest.raises(FileNotFoundError):
        link.cpu_seconds()
    if kind is Kind.TUN:
        assert not namespace_of(link)[0].exists()


@KINDS
def test_nothing_is_left_when_the_owner_is_killed(kind: Kind) -> None:
    with link_of(kind):  # or the test is skipped
        pass
    script = (
        "from benchmarks.link import Kind, emulated_link, round_trip\n"
        f"with emulated_link(round_trip(1), kind=Kind.{kind.name}) as link:\n"
        "    print(*link.edge(), flush=True)\n"
        "    input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], text=True, **pipes) as owner:  # type: ignore[call-overload]
        words = owner.stdout.readline().split()
        assert not words or (NAMESPACES / words[-1]).exists()
        owner.kill()
        assert owner.stderr.read() == ""  # ends when the link's process, which inherited it, has ended
    assert not words or not (NAMESPACES / words[-1]).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_link_leaves_is_removed_by_itself_or_by_the_next(number: signal.Signals) -> None:
    with link_of(Kind.TUN) as link:
        namespace, process = namespace_of(link)
        sleeper = subprocess.Popen(link.edge(["sleep", "1000"]))
        os.kill(process, number)
        with pytest.raises(Unavailable):
            link.blackhole(True)
    assert namespace.exists() == (number == signal.SIGKILL)
    with link_of(Kind.TUN) as link:
        assert not namespace.exists()
        assert sleeper.wait(60) == -signal.SIGTERM
        assert namespace_of(link)[0].exists()


def test_a_machine_without_namespaces_gets_a_relay_and_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level(logging.WARNING), emulated_link(SHORT) as link:
        assert link.kind is Kind.RELAY
    assert "not installed" in caplog.text
    assert "no loss" in caplog.text
    with pytest.raises(Unsupported, match="not installed"), emulated_link(SHORT, kind=Kind.TUN):
        pass


def test_a_relay_says_that_it_cannot_lose_packets() -> None:
    with emulated_link(SHORT, kind=Kind.RELAY) as link, pytest.raises(Unsupported, match="loses no packets"):
        link.set(SHORT, down=Profile(delay_ms=1, mbit=1, loss=0.1))


def test_a_congestion_control_that_the_kernel_has_not_is_refused() -> None:
    with pytest.raises(InvalidValue, match="this kernel has"), emulated_link(SHORT, congestion="hope"):
        pass


@KINDS
def test_an_edge_and_a_device_answer_across_the_link(kind: Kind) -> None:
    core = min(os.sched_getaffinity(0))
    options = ("--model", "toy:seed=1", "--insecure")
    with (
        link_of(kind) as link,
        edge_process(*options, host=link.edge_host, prefix=link.edge(), core=core) as edge,
    ):
        assert os.sched_getaffinity(edge.process.pid) == {core}
        assert edge.address == f"{link.edge_host}:{edge.port}"
        ask = [sys.executable, "-m", "device_client", "ask", "what is it?", "--draft", "toy:seed=1"]
        command = link.device([*ask, "--edge", link.device_address(edge.port)])
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert link.traffic().up.packets > 0
