"""A link like a phone's between two services: `python -m deploy.emulated_link --listen HOST:PORT --reach HOST:PORT`.

For demos: bytes come late and at a rate, none is lost (see benchmarks.link.relay, which does the work).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from dataclasses import replace

from benchmarks.link.control import Reach, Shape
from benchmarks.link.profile import PRESETS
from benchmarks.link.relay import Ends, Relay


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.emulated_link", description="A slow link, for demos.")
    parser.add_argument("--listen", required=True, help="HOST:PORT for the device")
    parser.add_argument("--reach", required=True, help="HOST:PORT of the edge")
    parser.add_argument("--profile", choices=PRESETS, default="4g")
    wanted = parser.parse_args()
    asyncio.run(_serve(wanted.listen, wanted.reach, wanted.profile))
    return 0


async def _serve(listen: str, reach: str, name: str) -> None:
    host, _, port = listen.rpartition(":")
    far_host, _, far_port = reach.rpartition(":")
    profile = replace(PRESETS[name], loss=0.0)
    relay = Relay(Shape(profile, profile), Ends(host, int(port), far_host))
    await relay.obey(Reach(int(far_port)))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(f"{name}: {listen} -> {reach}", file=sys.stderr, flush=True)  # noqa: T201 - a command line's own output
    await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
