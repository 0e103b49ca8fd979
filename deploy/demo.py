"""The demo on one machine: two processes, a sample picture, a question, the answer as it streams, its figures.

What is started is stopped again, whatever happens in between.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.demo.pair import samples

START_SECONDS = 120  # a slow machine needs a while to import torch
_LISTENING = re.compile(r"listening on \S+:(\d+)")
_READY = "ready:"


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, help="a picture of yours instead of the sample")
    parser.add_argument("--prompt", help="a question of yours instead of the sample's")
    parser.add_argument("--model", default="demo", help="target model of the edge")
    parser.add_argument("--draft", default="demo", help="draft model of the device")
    wanted = parser.parse_args()
    picture, prompt = samples()[0]
    picture, prompt = wanted.picture or picture, wanted.prompt or prompt
    # Each side gets one thread: on one machine they would otherwise fight for the same cores.
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "GRPC_VERBOSITY": "ERROR"}
    with _edge(wanted.model, environment) as port:
        _say(f"picture: {picture}")
        _say(f"question: {prompt}")
        ask = [sys.executable, "-m", "device_client", "ask", str(picture), prompt]
        options = ["--edge", f"127.0.0.1:{port}", "--draft", wanted.draft, "--threads", "1"]
        return subprocess.run([*ask, *options], env=environment, check=False).returncode


@contextmanager
def _edge(model: str, environment: dict[str, str]) -> Iterator[int]:
    """An edge server process that is ready; its port."""
    _say(f"starting an edge server with the target {model!r} …")
    command = [sys.executable, "-m", "edge_server", "--model", model, "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    log: list[str] = []
    ready = threading.Event()
    reader = threading.Thread(target=_follow, args=(process, log, ready), daemon=True)
    reader.start()
    try:
        if not ready.wait(START_SECONDS) or process.poll() is not None:
            raise SystemExit("the edge server did not start:\n" + "".join(log))
        listening = next(found for line in log if (found := _LISTENING.search(line)))
        yield int(listening.group(1))
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        _say("the edge server is stopped")


def _follow(process: subprocess.Popen[str], log: list[str], ready: threading.Event) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        log.append(line)
        if _READY in line:
            ready.set()
    ready.set()  # it ended; the waiting side looks why


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
