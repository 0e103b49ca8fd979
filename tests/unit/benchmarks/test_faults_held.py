"""What a process holds open is counted by kind."""

from __future__ import annotations

import os
import socket

from benchmarks.faults.held import open_files


def test_connections_and_other_files_are_told_apart() -> None:
    before = open_files()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()[:2]) as one,
    ):
        pipe = os.pipe()
        now = open_files()
        assert now == open_files(os.getpid())
        assert now["connections"] - before["connections"] == 2  # the other end is not accepted yet
        assert now["files"] - before["files"] == 2
        for end in pipe:
            os.close(end)
        one.close()
    assert open_files() == before
