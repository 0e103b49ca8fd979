"""What a process holds open (Linux): connections are counted beside other files, so that what is left has a name."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path


def open_files(process: int | str = "self") -> dict[str, int]:
    """How many TCP connections, listening or not, and how many other files."""
    folder = Path("/proc") / str(process)
    inodes = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        if (folder / "net" / table).exists()
        for line in (folder / "net" / table).read_text().splitlines()[1:]
    }
    kinds = Counter({"connections": 0, "files": 0})
    for descriptor in os.listdir(folder / "fd"):
        with suppress(FileNotFoundError):  # closed meanwhile, as the one that lists them is
            target = os.readlink(folder / "fd" / descriptor)
            is_socket = target.startswith("socket:[")
            kinds["connections" if is_socket and target[8:-1] in inodes else "files"] += 1
    return dict(kinds)
