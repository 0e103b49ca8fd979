"""Each program in examples/ runs with the embedded pair and says something."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.processes import edge_process

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in ROOT.glob("examples/*.py"))
HTTP = "openai_client.py"


@pytest.fixture(scope="module")
def edge() -> Iterator[str]:
    with edge_process("--threads", "1") as process:
        yield process.address


@pytest.fixture(scope="module")
def endpoint(edge: str) -> Iterator[str]:
    command = [sys.executable, "-m", "device_client", "serve", "--port", "0", "--edge", edge]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "ready:" in line:
            break
    yield next(line for line in said if "listening on" in line).split()[-1]
    process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, edge: str, request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue("endpoint") if name == HTTP else edge
    done = subprocess.run(
        [sys.executable, f"examples/{name}", address],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 3
