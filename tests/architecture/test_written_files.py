"""What we write for people goes through `shared.files`, which gives it the right mode and leaves no torn file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Certificates have modes of their own; proxies are run by tests and benchmarks, in a folder that is theirs.
OTHERS = {"shared/files.py", "deploy/certificates.py", "deploy/proxies.py", "shared/streams.py"}
FILES = sorted(
    path
    for end in ("shared", "device_client", "edge_server", "deploy")
    for path in (ROOT / end).rglob("*.py")
    if str(path.relative_to(ROOT)) not in OTHERS
)


def writes(call: ast.Call) -> bool:
    """Whether this call opens or makes a file for writing."""
    match call.func:
        case ast.Attribute(attr="write_text" | "write_bytes" | "mkstemp" | "NamedTemporaryFile" | "touch"):
            return True
        case ast.Attribute(attr="open") | ast.Name(id="open"):
            words = [*call.args, *(keyword.value for keyword in call.keywords)]
            modes = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
            return any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_written_in_one_place(path: Path) -> None:
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and writes(node)]
    assert [ast.unparse(node) for node in found] == []


def test_a_call_that_writes_is_found() -> None:
    for text in ("open(path, 'w')", "path.open('ab')", "open(path, mode='x')", "path.write_text('x')"):
        (call,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
        assert writes(call)
    (call,) = (node for node in ast.walk(ast.parse("path.open('rb')")) if isinstance(node, ast.Call))
    assert not writes(call)
