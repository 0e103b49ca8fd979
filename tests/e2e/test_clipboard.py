"""The clipboard, read through the programs that Linux has for it: here a script of that name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from device_client.clipboard import clipboard_picture
from shared.demo.pair import samples
from shared.errors import ImageError, Unsupported

DEVICE = [sys.executable, "-m", "device_client"]
PICTURE = samples()[0][0]


def fake(folder: Path, name: str, script: str) -> None:
    """A program `name` in `folder`."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All programs that there are, in a session of X11."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return tmp_path / "bin"


@pytest.mark.parametrize(
    ("name", "variable", "asked"),
    [("xclip", "DISPLAY", "-selection clipboard -t image/png -o"), ("wl-paste", "WAYLAND_DISPLAY", "-t image")],
)
def test_what_is_copied_is_the_picture(
    programs: Path, monkeypatch: pytest.MonkeyPatch, name: str, variable: str, asked: str
) -> None:
    monkeypatch.setenv(variable, "0")
    fake(programs, name, f'echo "$@" > "{programs}/asked"; /bin/cat "{PICTURE}"')
    found = clipboard_picture()
    assert (programs / "asked").read_text().strip() == asked
    with PICTURE.open("rb") as file:
        from PIL import Image

        assert found.image.tobytes() == Image.open(file).convert("RGB").tobytes()


def test_without_a_program_the_person_is_told_which(programs: Path) -> None:
    with pytest.raises(Unsupported, match=r"install wl-clipboard \(Wayland\) or xclip \(X11\)"):
        clipboard_picture()


def test_a_clipboard_without_a_picture_is_said(programs: Path) -> None:
    fake(programs, "xclip", "echo 'Error: target image/png not available' >&2; exit 1")
    with pytest.raises(ImageError, match="copy one first"):
        clipboard_picture()


def test_a_clipboard_that_fails_says_what_its_program_said(programs: Path) -> None:
    fake(programs, "xclip", "echo 'cannot open display' >&2; exit 1")
    with pytest.raises(Unsupported, match="cannot open display"):
        clipboard_picture()


def test_the_clipboard_answers_as_the_file_does(tmp_path: Path) -> None:
    fake(tmp_path, "xclip", f'/bin/cat "{PICTURE}"')
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "DISPLAY": ":0"}
    environment.pop("WAYLAND_DISPLAY", None)

    def asked(*picture: str) -> str:
        alone = ["--alone", "--draft", "toy:seed=1", "--max-tokens", "12", "--temperature", "0"]
        command = [*DEVICE, "ask", *picture, *alone]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert asked("what is it?", "--clipboard") == asked(str(PICTURE), "what is it?")
    assert asked("what is it?", "--clipboard") != asked("what is it?")
