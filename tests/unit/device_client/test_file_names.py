"""Every way in which a file gets into a chat names the file that the person means."""

from __future__ import annotations

import io
import shlex
import sys
import urllib.parse
from pathlib import Path

import pytest

from device_client.file_names import local_name, names_in
from device_client.typed import stdin_text
from shared.errors import InvalidValue

NAMES = [
    "a.png", "two words.png", "it's.png", 'say "hi".png', "back\\slash.png", "hash#tag.png", "per%20cent.png",
    "ümlaut ☃.png", "semi;colon&and.png", "(1).png", "-dash.png", "~tilde.png", "tab\there.png", "dollar$HOME.png",
    "star*.png", "comma,.png",
]  # fmt: skip
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def forms(path: Path) -> dict[str, str]:
    """What a person, a shell, a file manager and a terminal make of the name of a file."""
    name = str(path)
    return {
        "as it stands": name,
        "quoted by a shell": shlex.quote(name),
        "in double quotes": '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"',
        "with backslashes": "".join(c if c.isalnum() or c in "/._-" or ord(c) > 127 else f"\\{c}" for c in name),
        "dropped": urllib.parse.urlunsplit(("file", "", urllib.parse.quote(name), "", "")),
        "dropped of this host": "FILE://localhost" + urllib.parse.quote(name),
        "with blanks around": f"  {name}\t",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_found_however_it_is_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch()
    for form, typed in forms(path).items():
        assert names_in(typed) == [str(path)], form
    other = tmp_path / "other one.png"
    other.touch()
    for form in ("quoted by a shell", "in double quotes", "with backslashes", "dropped"):
        assert names_in(f"{forms(path)[form]} {forms(other)[form]}") == [str(path), str(other)], form


def test_the_tilde_is_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my photo.png").touch()
    for typed in ("~/my\\ photo.png", "'~/my photo.png'"):
        assert names_in(typed) == [str(tmp_path / "my photo.png")]
    assert local_name("~nobody-is-called-so/x.png") == "~nobody-is-called-so/x.png"


@pytest.mark.parametrize("typed", ["file://other/x.png", "file:", "file://", "file://user@host/x.png"])
def test_a_file_of_another_machine_is_refused(typed: str) -> None:
    with pytest.raises(InvalidValue, match="must name a file of this machine"):
        names_in(typed)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("", []),
        ("missing.png", ["missing.png"]),
        ("'never closed.png", ["'never closed.png"]),
        ("http://127.0.0.1/a%20b.png", ["http://127.0.0.1/a%20b.png"]),
        ("data:image/png;base64,AA==", ["data:image/png;base64,AA=="]),
        ("n" * 5000, ["n" * 5000]),
        ("nul\0", ["nul\0"]),
    ],
)
def test_what_is_no_file_here_stays_as_it_is(typed: str, names: list[str]) -> None:
    assert names_in(typed) == names


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_none_of_what_was_typed(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = {"utf-16-le": "\N{ZERO WIDTH NO-BREAK SPACE}", "utf-16-be": "\N{ZERO WIDTH NO-BREAK SPACE}"}.get(
        encoding, ""
    )
    raw = io.BufferedReader(io.BytesIO((mark + "/image ä.png\nwhat?\n").encode(encoding)))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw, encoding="ascii"))
    assert list(stdin_text()) == ["/image ä.png\n", "what?\n"]


def test_bytes_that_are_no_text_break_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"caf\xe9\n"))))
    assert list(stdin_text()) == ["caf\N{REPLACEMENT CHARACTER}\n"]
