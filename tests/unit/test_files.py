"""What holds a person's words or times is its owner's alone, and whole or not there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import InvalidValue
from shared.files import append_whole, check_writable, open_to_append, write_private

SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
from shared.files import append_whole, open_to_append, write_private
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, data = Path(sys.argv[2]), sys.argv[3].encode()
if sys.argv[1] == "append":
    number = open_to_append(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    append_whole(number, data) if sys.argv[1] == "append" else write_private(path, data)
except OSError as failed:
    sys.exit(failed.strerror)
"""


@pytest.fixture(autouse=True)
def _everybody_may_read() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def on_a_small_disk(how: str, path: Path, data: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SMALL_DISK, how, str(path), data]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("before", [None, 0o644, 0o600])
def test_a_file_is_its_owners_alone_whoever_could_read_it_before(before: int | None, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    if before is not None:
        path.write_text("before")
        path.chmod(before)
    write_private(path, b"now")
    assert (path.read_bytes(), mode(path), os.listdir(tmp_path)) == (b"now", 0o600, ["trace.json"])


@pytest.mark.parametrize("before", [None, "before"])
def test_what_does_not_fit_leaves_what_was_there(before: str | None, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    if before is not None:
        path.write_text(before)
    done = on_a_small_disk("write", path, "x" * 1000)
    assert (done.returncode, done.stderr.strip()) == (1, "File too large")
    assert [file.read_text() for file in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_line_that_does_not_fit_is_taken_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("x" * 90 + "\n")
    done = on_a_small_disk("append", path, "y" * 50 + "\n")
    assert done.returncode == 1
    assert path.read_text() == "x" * 90 + "\n"


def test_what_is_appended_to_is_its_owners_alone_and_grows(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for line in (b"one\n", b"two\n"):
        number = open_to_append(path)
        append_whole(number, line)
        os.close(number)
    assert (path.read_text(), mode(path)) == ("one\ntwo\n", 0o600)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("before")
    (tmp_path / "link").symlink_to("target")
    write_private(tmp_path / "link", b"now")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "now"


def test_what_is_no_file_is_written_to_and_not_replaced() -> None:
    check_writable("trace", Path("/dev/null"))
    write_private(Path("/dev/null"), b"now")
    assert not Path("/dev/null").is_file()
    with pytest.raises(OSError, match="No space left"):
        write_private(Path("/dev/full"), b"now")


@pytest.mark.parametrize(
    ("name", "said"),
    [(".", "is a folder"), ("no/such", "there is no folder"), ("n" * 300, "too long"), ("file/x", "no folder")],
)
def test_a_place_that_cannot_be_written_is_refused_and_nothing_is_left(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")
    with pytest.raises(InvalidValue, match=f"^trace is .*{said}"):
        check_writable("trace", tmp_path / name)
    check_writable("trace", tmp_path / "new")
    check_writable("trace", tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "before"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_file_or_folder_that_is_closed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o400)
    with pytest.raises(InvalidValue, match="Permission denied"):
        check_writable("trace", tmp_path / "file")
    tmp_path.chmod(0o500)
    with pytest.raises(InvalidValue, match="Permission denied"):
        check_writable("trace", tmp_path / "new")
    tmp_path.chmod(0o700)
