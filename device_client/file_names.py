"""File names as people type, paste and drop them: in quotes, with backslashes, with `~`, as file:// addresses.

Guarantees: a name of a file that is there means that file as it stands, whatever characters it has.
"""

from __future__ import annotations

import shlex
import urllib.parse
from pathlib import Path

from shared.errors import InvalidValue

_HERE = ("", "localhost")  # whose files a file:// address may mean


def names_in(text: str) -> list[str]:
    """The names in what was typed behind a command. Raises InvalidValue."""
    text = text.strip()
    if not text or _is_file(text):
        return [text] if text else []
    words = shlex.shlex(text, posix=True)
    words.whitespace_split, words.commenters = True, ""
    try:
        names = list(words)
    except ValueError:  # a quote that is not closed is part of a name
        names = [text]
    return [local_name(name) for name in names]


def local_name(name: str) -> str:
    """The file that `name` means: `~` and file:// are resolved, everything else stays. Raises InvalidValue."""
    if name.lower().startswith("file:") and not _is_file(name):
        address = urllib.parse.urlsplit(name)
        if address.netloc.lower() not in _HERE or not address.path:
            raise InvalidValue("picture", name[:60], "must name a file of this machine: file:///folder/name")
        return urllib.parse.unquote(address.path)
    if name.startswith("~") and not _is_file(name):
        return str(Path(name).expanduser()) if _has_home(name) else name
    return name


def _has_home(name: str) -> bool:
    try:
        Path(name).expanduser()
    except RuntimeError:  # nobody is called so
        return False
    return True


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False
