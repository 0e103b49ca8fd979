"""The demo on one machine: two processes, a sample picture, a question, the answer as it streams, its figures.

With `--serve` the device serves OpenAI's protocol instead, until Ctrl-C or SIGTERM. What is started is stopped again,
whatever happens in between.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

from deploy.processes import edge_process
from shared.demo.pair import samples

_DEVICE = (sys.executable, "-m", "device_client")


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description="An edge and a device on this machine.")
    parser.add_argument("--picture", type=Path, help="a picture of yours instead of the sample")
    parser.add_argument("--prompt", help="a question of yours instead of the sample's")
    parser.add_argument("--model", default="demo", help="target model of the edge")
    parser.add_argument("--draft", default="demo", help="draft model of the device")
    parser.add_argument("--serve", action="store_true", help="serve OpenAI's protocol instead of asking")
    wanted = parser.parse_args()
    _say(f"starting an edge server with the target {wanted.model!r} …")
    # Each side gets one thread: on one machine they would otherwise fight for the same cores.
    with edge_process("--model", wanted.model, "--threads", "1") as edge:
        # The embedded target is about as fast as its draft: an eager edge would be done before a draft can help.
        options = ["--edge", edge.address, "--draft", wanted.draft, "--threads", "1", "--pace", "thrifty"]
        code = _serve(options) if wanted.serve else _ask(wanted.picture, wanted.prompt, options)
    _say("the edge server is stopped")
    return code


def _ask(picture: Path | None, prompt: str | None, options: list[str]) -> int:
    sample, question = samples()[0]
    asked = [str(picture or sample), prompt or question]
    _say(f"picture: {asked[0]}\nquestion: {asked[1]}\npace: thrifty, the edge steps over drafts only")
    return subprocess.run([*_DEVICE, "ask", *asked, *options], check=False).returncode


def _serve(options: list[str]) -> int:
    """Ctrl-C reaches the endpoint by itself, SIGTERM is passed on; it ends, and then the edge does."""
    with subprocess.Popen([*_DEVICE, "serve", "--served-model-name", "covspec", *options]) as endpoint:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: endpoint.terminate())
        return endpoint.wait()


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
