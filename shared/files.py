"""Files that hold what a person asked, or when: readable by their owner alone, and written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from shared.errors import InvalidValue

PRIVATE = 0o600
_BEGINNING = ".covspec-"  # of a file beside the one that is written, while it is written


def check_writable(field: str, path: Path) -> None:
    """See that `path` can be written, and leave it as it is. Raises InvalidValue."""
    try:
        if path.is_dir():
            raise InvalidValue(field, str(path), "is a folder, and must be the name of a file")
        if not path.parent.is_dir():
            raise InvalidValue(field, str(path), f"cannot be written: there is no folder {path.parent}")
        if path.exists() or not _takes_files(path):
            with path.open("r+b"):  # a file that is closed to us is not to be replaced either
                pass
    except (OSError, ValueError) as refused:  # ValueError: a name with a zero byte
        reason = getattr(refused, "strerror", None) or "no file can have this name"
        raise InvalidValue(field, str(path), f"cannot be written: {reason}") from None


def write_private(path: Path, data: bytes) -> None:
    """Make `data` all that is in `path`. Raises OSError, and leaves what was there, or nothing."""
    if _is_special(path):  # a pipe, a terminal
        with path.open("wb") as file:
            file.write(data)
        return
    path = path.resolve()  # of a link its target is replaced, not the link
    try:
        number, beside = tempfile.mkstemp(prefix=_BEGINNING, dir=path.parent)
    except PermissionError:  # the folder is closed to us; the file in it may be open
        with path.open("r+b") as file:
            file.truncate()
            file.write(data)
        return
    try:
        with open(number, "wb") as file:
            file.write(data)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def open_to_append(path: Path) -> int:
    """A descriptor that writes at the end of `path`; a file that was not there is its owner's alone. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE)


def append_whole(number: int, data: bytes) -> None:
    """Write `data` to `number` whole. Raises OSError, and takes back a part of it that did fit."""
    written = 0
    try:
        while written < len(data):
            written += os.write(number, data[written:])
    except OSError:
        if written:
            try:
                os.ftruncate(number, os.fstat(number).st_size - written)
            except OSError:
                os.write(number, b"\n")  # a pipe: what comes next begins a line at least
        raise


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _takes_files(path: Path) -> bool:
    """Whether a file can be made beside `path`, and `path` can be a file's name."""
    path.exists()  # raises OSError for a name that is too long
    try:
        with tempfile.NamedTemporaryFile(prefix=_BEGINNING, dir=path.resolve().parent):
            return True
    except PermissionError:
        return False
