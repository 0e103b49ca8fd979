"""Disturb answers at random moments, and see that each is complete and identical, in what time, and what is left.

`python -m benchmarks.faults [FAULT...]`; without a name, all of them.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Mapping

from benchmarks.faults import inside, outside
from benchmarks.faults.outcome import HEADING, Finding
from benchmarks.faults.outside import Fault, across, behind, direct, disturb
from benchmarks.link import Link
from shared.errors import CovspecError, Unsupported

Run = Callable[[str, int, random.Random], Finding]


def _direct(fault: Fault) -> Run:
    def run(name: str, times: int, rng: random.Random) -> Finding:
        with direct(rng) as stage:
            return disturb(name, stage, times, fault)

    return run


def _behind(proxy: str, fault: Fault) -> Run:
    def run(name: str, times: int, rng: random.Random) -> Finding:
        with behind(proxy, rng) as stage:
            return disturb(name, stage, times, fault)

    return run


def _across(fault: Callable[[Link], Fault]) -> Run:
    def run(name: str, times: int, rng: random.Random) -> Finding:
        with across(rng) as (stage, link):
            return disturb(name, stage, times, fault(link))

    return run


FAULTS: Mapping[str, Run] = {
    "kill": _direct(outside.killed),
    "stop": _direct(outside.stopped),
    "dark": _across(outside.dark),
    "cut": _across(outside.cut),
    "moved": _across(outside.moved),
    **{f"kill-{proxy}": _behind(proxy, outside.killed) for proxy in ("nginx", "haproxy", "envoy")},
    **{f"stop-{proxy}": _behind(proxy, outside.stopped) for proxy in ("nginx", "haproxy", "envoy")},
    "replay": inside.replayed,
    "claim": inside.claimed,
    "full": inside.full,
}


def main() -> int:
    """Run, print the table; 1 if an answer was wrong or something is left."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--times", type=int, default=100, help="that each fault meets an answer")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    wanted = parser.parse_args()
    if unknown := [name for name in wanted.faults if name not in FAULTS]:
        parser.error(f"no fault {unknown[0]!r}: choose from {', '.join(FAULTS)}")
    good = True
    _say(HEADING)
    for name in wanted.faults or FAULTS:
        try:
            finding = FAULTS[name](name, wanted.times, random.Random(f"{wanted.seed} {name}"))
        except Unsupported as missing:
            _say(f"| {name} | 0 | not run: {missing} | | | | |")
            continue
        good = good and finding.good
        _say(finding.row())
        for outcome in finding.outcomes:
            if outcome.wrong:
                _say(f"WRONG {name}: {outcome.wrong}")
    return 0 if good else 1


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CovspecError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
