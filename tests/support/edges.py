"""A process that serves several models, each on a port of its own: `python -m tests.support.edges FOLDER ...`.

It says one line for each, the port, when all of them are ready, and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from functools import partial

from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.vlm.load import load


async def serve(folders: list[str]) -> None:
    """Serve until nobody listens any more."""
    async with AsyncExitStack() as stack:
        config = EdgeConfig(port=0, drain_seconds=0.1, reflection=False, threads=1)
        servers = [await stack.enter_async_context(EdgeServer(config, partial(load, folder))) for folder in folders]
        sys.stdout.write("".join(f"{server.port}\n" for server in servers))
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
