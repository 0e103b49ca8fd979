"""Every command of README and docs is run as it stands there, in order, with free ports for the default ones."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cyclopts import App

import device_client.__main__ as device
import edge_server.__main__ as edge
from tests.support.documents import Step, steps

ROOT = Path(__file__).parents[2]
DEMO = "python -m deploy.demo"  # what make's targets of these names run, in an environment of their own
MADE = {"make demo": DEMO, "make serve": f"{DEMO} --serve"}
DOCUMENTS = sorted(
    path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")) if any(steps(path))
)
APPS: dict[str, App] = {"device-client": device.app, "edge-server": edge.app}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Reader:
    """Somebody who follows one document in one shell after the other. Servers run until the document is over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for entry in ROOT.iterdir():
            if not entry.name.startswith("."):
                (folder / entry.name).symlink_to(entry)
        self.edge, self.http = free_port(), free_port()
        environment = {"COVSPEC_EDGE_PORT": str(self.edge), "COVSPEC_DEVICE_EDGE": f"127.0.0.1:{self.edge}"}
        environment |= {"COVSPEC_DEVICE_PORT": str(self.http), "NO_COLOR": "1"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | environment | {"PATH": path}
        self.servers: list[subprocess.Popen[str]] = []

    def follow(self, step: Step) -> None:
        text = MADE.get(step.text, step.text).replace(":50051", f":{self.edge}").replace(":8000", f":{self.http}")
        text = text.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
        if step.kind == "python":
            self._run([sys.executable, "-c", text])
        elif re.search(r"\bedge-server\b|\bdevice-client serve\b|--serve$", text):
            self._start(text)
        else:
            self._run(["bash", "-euo", "pipefail", "-c", text])

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
        assert done.stdout.strip(), command[-1]
        assert '"error":' not in done.stdout, done.stdout

    def _start(self, text: str) -> None:
        server = subprocess.Popen(
            shlex.split(text), cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True
        )
        self.servers.append(server)
        assert server.stderr is not None
        said = []
        for line in server.stderr:
            said.append(line)
            if "ready:" in line:
                return
        raise AssertionError(f"{text}\n{''.join(said)}")


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """A folder with all that the repository has, so that what commands write is not left there."""
    one = Reader(folder)
    try:
        yield one
    finally:
        for server in one.servers:
            server.terminate()  # the demo's server has servers of its own to stop
        for server in one.servers:
            server.wait(60)
            if server.stderr is not None:
                server.stderr.close()


def check(text: str) -> None:
    """What can be said of a command without running it."""
    words = shlex.split(text)
    program = Path(words[0]).name
    if program in APPS:
        APPS[program].parse_args(words[1:], exit_on_error=False, print_error=True)
    elif program == "make":
        target = next((word for word in words[1:] if "=" not in word), "help")
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), text
    elif program.startswith("python") and words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None, text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_command_of_a_document_does_what_it_says(document: Path, tmp_path: Path) -> None:
    todo = list(steps(document))
    with reader(tmp_path) as one:
        run = [step.text for step in todo if step.reason is None]
        if any("50051" in text or "device-client" in text for text in run) and not any("edge-server" in t for t in run):
            one.follow(Step("console", "edge-server", None))  # a page may take for granted that there is one
        for step in todo:
            if step.reason is None:
                one.follow(step)
            elif step.kind == "console":
                check(step.text)


def test_a_command_that_is_wrong_is_found(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    broken = "```console\n$ ls \\\n    --no-such-option\n```\n"
    document.write_text(broken + "\n<!-- not run: no need -->\n```console\n$ make no\n```\n")
    listing, target = steps(document)
    (tmp_path / "work").mkdir()
    with reader(tmp_path / "work") as one, pytest.raises(AssertionError, match="no-such-option"):
        one.follow(listing)
    assert target.reason == "no need"
    with pytest.raises(AssertionError, match="make no"):
        check(target.text)
