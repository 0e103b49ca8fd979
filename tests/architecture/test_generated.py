"""The committed stubs are what protoc makes of the committed proto, and the proto keeps buf's rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUBS = Path("shared/wire/v1")
GENERATED = ("verify_pb2.py", "verify_pb2.pyi", "verify_pb2_grpc.py")


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stubs made anew."""
    pytest.importorskip("grpc_tools", reason="grpcio-tools is in the dev extra")
    target = tmp_path_factory.mktemp("stubs")
    outputs = (f"--{kind}={target}" for kind in ("python_out", "pyi_out", "grpc_python_out"))
    mapping = f"-I{STUBS}=protos/covspec/v1"
    run(sys.executable, "-m", "grpc_tools.protoc", mapping, *outputs, "protos/covspec/v1/verify.proto")
    return target / STUBS


@pytest.mark.parametrize("name", GENERATED)
def test_regenerating_a_stub_changes_nothing(regenerated: Path, name: str) -> None:
    committed = (ROOT / STUBS / name).read_text()
    assert committed == (regenerated / name).read_text(), f"{STUBS / name} is not what the proto says: regenerate it"


def test_no_other_stub_is_committed_or_generated(regenerated: Path) -> None:
    assert {path.name for path in regenerated.iterdir()} == set(GENERATED)
    assert {path.name for path in (ROOT / STUBS).glob("*.py*")} == {*GENERATED, "__init__.py"}


def test_the_proto_keeps_the_rules_of_buf() -> None:
    buf = Path(sys.executable).with_name("buf")
    if not buf.exists():
        pytest.skip("buf-bin is in the dev extra")
    run(buf, "lint", cwd=ROOT / "protos")
