"""Measure the emulated link itself on this machine: round trip, rate both ways, losses, and the CPU that it takes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.link.link import Kind, Link, emulated_link
from benchmarks.link.profile import PRESETS, Profile
from shared.errors import CovspecError

LOSSY = "4g, 2 % loss"
_ROOT = Path(__file__).parents[2]
_PROBE = (sys.executable, "-m", "benchmarks.link.probe")
_HEADING = f"{'each way':<32}{'RTT ms':>7}{'p50':>8}{'p90':>8}{'up':>8}{'down':>8}{'loss':>8}{'idle':>7}{'busy':>7}"


@dataclass(frozen=True)
class Finding:
    """Figures of one measurement, and the share of a core that the link's process took meanwhile."""

    figures: tuple[float, ...]
    share: float


class Bench:
    """A link with the probe's far end behind it. `seconds`: of one measurement."""

    def __init__(self, link: Link, port: int, seconds: float) -> None:
        self._link, self._seconds = link, seconds
        self._address = link.device_address(port)

    def row(self, name: str, profile: Profile) -> str:
        """All measurements with this profile both ways."""
        self._link.set(profile)
        trips, up, down = (self._measure(what) for what in ("rtt", "up", "down"))
        lost = f"{self._measure('loss').figures[0]:.1%}" if self._link.kind is Kind.TUN else "-"
        what = f"{name} ({profile.delay_ms:g} ms, {profile.mbit:g} Mbit/s)"
        p50, p90 = trips.figures
        busy = max(up.share, down.share)
        return (
            f"{what:<32}{2 * profile.delay_ms:>7g}{p50:>8.1f}{p90:>8.1f}{up.figures[0]:>8.1f}{down.figures[0]:>8.1f}"
            f"{lost:>8}{trips.share:>7.0%}{busy:>7.0%}"
        )

    def _measure(self, what: str) -> Finding:
        command = self._link.device([*_PROBE, "near", what, self._address, str(self._seconds)])
        start, used = time.monotonic(), self._link.cpu_seconds()
        done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True)
        share = (self._link.cpu_seconds() - used) / (time.monotonic() - start)
        return Finding(tuple(json.loads(done.stdout)), share)


@contextmanager
def bench(link: Link, seconds: float) -> Iterator[Bench]:
    """Start the far end, and stop it."""
    command = link.edge([*_PROBE, "far", link.edge_host])
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Bench(link, int(process.stdout.readline()), seconds)
        finally:
            process.terminate()


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.link", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement")
    parser.add_argument("--kind", choices=[kind.name.lower() for kind in Kind], help="instead of the best there is")
    parser.add_argument("--core", type=int, help="the only core that the link's process uses")
    parser.add_argument("--congestion", default="cubic", help="congestion control of both ends")
    wanted = parser.parse_args()
    kind = Kind[wanted.kind.upper()] if wanted.kind else None
    with (
        emulated_link(PRESETS["wifi"], core=wanted.core, congestion=wanted.congestion, kind=kind) as link,
        bench(link, wanted.seconds) as measured,
    ):
        congestion = f"; {wanted.congestion}" if link.kind is Kind.TUN else ""
        _say(f"{link.kind}{congestion}; {wanted.seconds:g} s each; up, down: Mbit/s of TCP payload")
        _say("loss: datagrams, round trip; idle, busy: share of a core while pinging and while loading\n")
        _say(_HEADING)
        for name, profile in PRESETS.items():
            _say(measured.row(name, profile))
        if link.kind is Kind.TUN:
            _say(measured.row(LOSSY, replace(PRESETS["4g"], loss=0.02)))
    return 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CovspecError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
