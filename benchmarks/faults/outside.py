"""Faults of processes and links: the edge is killed or hangs, the link goes dark or is cut, the device moves.

Each takes an answer at a random moment. Nothing here knows how the device goes on; it only looks at what comes.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.faults.asker import SEED, TEMPERATURE
from benchmarks.faults.outcome import Finding, outcome_of
from benchmarks.faults.pack import TARGET, Asker, Pack, asker, pack
from benchmarks.link import PRESETS, Kind, Link, emulated_link
from benchmarks.link.namespaces import DEVICE_HOST, NETWORK, PREFIX_BITS
from deploy.certificates import authority, leaf
from deploy.proxies import proxy_process
from shared.errors import Unsupported
from shared.vlm.load import load
from tests.support.system import alone, asked

TOKENS = 100
_UNDISTURBED = 5  # answers that tell how long one takes, and what pause is usual
_PATIENCE = 120.0  # seconds that a device tries for
_WARM_UP = 2
_SETTLE_SECONDS = 25.0  # for parked sessions and their streams to go


@dataclass(frozen=True)
class Stage:
    """Edges and a device that asks them. `rng`: of the moments."""

    edges: Pack
    device: Asker
    rng: random.Random


@dataclass(frozen=True)
class Trouble:
    """What a fault has begun: it lasts for `seconds`, and `mend` ends it."""

    seconds: float = 0.0
    mend: Callable[[], None] = lambda: None


Fault = Callable[[Stage, str], Trouble]  # of the answer with this name


@contextmanager
def direct(rng: random.Random) -> Iterator[Stage]:
    """One edge, no proxy."""
    with (
        pack(1) as edges,
        asker({"edge": edges.addresses[0], "reconnect_seconds": _PATIENCE}) as device,
    ):
        yield Stage(edges, device, rng)


@contextmanager
def behind(proxy: str, rng: random.Random) -> Iterator[Stage]:
    """Two edges behind a proxy that speaks TLS with the device. Raises Unsupported."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        now = datetime.now(UTC)
        signer = authority("faults", now)
        made = leaf(signer, "proxy", ("127.0.0.1",), now)
        ca, certificate, key = (folder / name for name in ("ca.pem", "proxy.pem", "proxy-key.pem"))
        ca.write_bytes(signer.certificate_pem)
        certificate.write_bytes(made.certificate_pem)
        key.write_bytes(made.key_pem)
        edges = stack.enter_context(pack(2))
        address, _ = stack.enter_context(proxy_process(proxy, edges.addresses, certificate, key, folder))
        options = {"edge": address, "tls_ca": str(ca), "reconnect_seconds": _PATIENCE}
        yield Stage(edges, stack.enter_context(asker(options)), rng)


@contextmanager
def across(rng: random.Random) -> Iterator[tuple[Stage, Link]]:
    """One edge across an emulated link."""
    with (
        emulated_link(PRESETS["4g"]) as link,
        pack(1, link.edge_host, link.edge()) as edges,
        asker(
            {"edge": link.device_address(int(edges.addresses[0].rpartition(":")[2])), "reconnect_seconds": _PATIENCE},
            link.device(),
        ) as device,
    ):
        yield Stage(edges, device, rng), link


def disturb(fault: str, stage: Stage, times: int, strike: Fault) -> Finding:
    """Ask until `strike` has met `times` answers."""
    finding = Finding(fault)
    typical = [_ask(stage, f"undisturbed {number}") for number in range(_WARM_UP + _UNDISTURBED)][_WARM_UP:]
    usual = [outcome_of(said, expected, 0.0) for said, expected in typical]
    assert not any(outcome.wrong for outcome in usual), usual
    lasting = median(said["times"][-1] - said["began"] for said, _ in typical)
    finding.usual = median(outcome.pause for outcome in usual)
    device, edges = stage.device.count(), stage.edges.held()
    while len(finding.hit) < times:
        stage.edges.ready()
        prompt = f"question {len(finding.outcomes)}"
        request = stage.device.begin(prompt, TOKENS)
        time.sleep(stage.rng.uniform(0.0, lasting))
        trouble, at = strike(stage, request), time.monotonic()
        time.sleep(trouble.seconds)
        trouble.mend()
        finding.outcomes.append(outcome_of(stage.device.end(), truth(prompt), at, trouble.seconds))
    stage.edges.ready()
    for number in range(_UNDISTURBED):  # what closed channels held is freed when others are used
        _ask(stage, f"afterwards {number}")
    finding.left = _left(stage, device, edges)
    return finding


def _ask(stage: Stage, prompt: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    stage.device.begin(prompt, TOKENS)
    return stage.device.end(), truth(prompt)


def truth(prompt: str, tokens: int = TOKENS) -> tuple[int, ...]:
    """What the target says alone."""
    question = asked(prompt, temperature=TEMPERATURE, seed=SEED, max_tokens=tokens, ignore_eos=True)
    return alone(load(TARGET.partition(",")[0]), question, SEED)


def _left(stage: Stage, device: dict[str, int], edges: dict[str, int]) -> dict[str, int]:
    """What is there beyond what was there, once that settles."""
    until = time.monotonic() + _SETTLE_SECONDS
    while True:
        now = {f"{what} of the device": count - device[what] for what, count in stage.device.count().items()}
        now |= {f"{what} of the edges": count - edges[what] for what, count in stage.edges.held().items()}
        more = {what: max(0, count) for what, count in now.items()}
        if not any(more.values()) or time.monotonic() > until:
            return more
        time.sleep(0.5)


def killed(stage: Stage, request: str) -> Trouble:
    """SIGKILL of the edge that answers; it comes back as soon as it can."""
    number = stage.edges.answering(request)
    stage.edges.kill(number)
    stage.edges.start_again(number)
    return Trouble()


def stopped(stage: Stage, request: str) -> Trouble:
    """SIGSTOP of the edge that answers, for a while."""
    number = stage.edges.answering(request)
    stage.edges.stop(number)
    return Trouble(_between(stage.rng), lambda: stage.edges.go_on(number))


def dark(link: Link) -> Fault:
    """The link swallows everything for a while."""

    def strike(stage: Stage, _: str) -> Trouble:
        link.blackhole(True)
        return Trouble(_between(stage.rng), lambda: link.blackhole(False))

    return strike


def cut(link: Link) -> Fault:
    """The connections across the link are reset, and it is dark for a while."""

    def strike(stage: Stage, _: str) -> Trouble:
        link.cut()
        link.blackhole(True)
        return Trouble(_between(stage.rng), lambda: link.blackhole(False))

    return strike


def moved(link: Link) -> Fault:
    """The device gets another address, and the old one is gone. Needs a link between namespaces."""
    if link.kind is not Kind.TUN:
        raise Unsupported("a device can only move between namespaces: root on Linux with iproute2")
    addresses = [DEVICE_HOST, f"{DEVICE_HOST}33"]

    def strike(_: Stage, __: str) -> Trouble:
        addresses.reverse()
        network = f"{NETWORK}/{PREFIX_BITS}"
        route = subprocess.run(
            link.device(["ip", "route", "show", network]), capture_output=True, text=True, check=True
        )
        interface = route.stdout.split("dev ")[1].split()[0]
        for words in (
            ("address", "del", f"{addresses[1]}/{PREFIX_BITS}", "dev", interface),
            ("address", "add", f"{addresses[0]}/{PREFIX_BITS}", "dev", interface),
        ):
            subprocess.run(link.device(["ip", *words]), check=True)
        return Trouble()

    return strike


def _between(rng: random.Random) -> float:
    """From 0.1 to 10 seconds, each power of ten as likely as the other."""
    return float(10 ** rng.uniform(-1, 1))
