"""The demo on one machine: two processes, a sample picture, a question, the answer as it streams, its figures.

What is started is stopped again, whatever happens in between.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from deploy.processes import edge_process
from shared.demo.pair import samples


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description="An edge and a device on this machine.")
    parser.add_argument("--picture", type=Path, help="a picture of yours instead of the sample")
    parser.add_argument("--prompt", help="a question of yours instead of the sample's")
    parser.add_argument("--model", default="demo", help="target model of the edge")
    parser.add_argument("--draft", default="demo", help="draft model of the device")
    wanted = parser.parse_args()
    picture, prompt = samples()[0]
    picture, prompt = wanted.picture or picture, wanted.prompt or prompt
    _say(f"starting an edge server with the target {wanted.model!r} …")
    # Each side gets one thread: on one machine they would otherwise fight for the same cores.
    with edge_process("--model", wanted.model, "--threads", "1") as edge:
        _say(f"picture: {picture}\nquestion: {prompt}\npace: thrifty, the edge steps over drafts only")
        ask = [sys.executable, "-m", "device_client", "ask", str(picture), prompt]
        # The embedded target is about as fast as its draft: an eager edge would be done before a draft can help.
        options = ["--edge", edge.address, "--draft", wanted.draft, "--threads", "1", "--pace", "thrifty"]
        code = subprocess.run([*ask, *options], check=False).returncode
    _say("the edge server is stopped")
    return code


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
