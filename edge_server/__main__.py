"""The command line of the edge: `edge-server`, or `python -m edge_server`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

from cyclopts import App

from edge_server.config import EdgeConfig
from shared.command_line import run

app = App(name="edge-server", version=version("covspec"), result_action="return_value")


@app.default
def serve(*, config: EdgeConfig = EdgeConfig()) -> int:  # noqa: B008 - frozen
    """Serve a target model to devices.

    Every option can also be set in the environment (COVSPEC_EDGE_PORT for --port) or in the file of --config.
    """
    os.environ.setdefault(
        "GRPC_VERBOSITY", "NONE"
    )  # gRPC's own lines tell less than ours, of each stranger's handshake
    from edge_server.launch import launch  # heavy: torch, transformers, grpc

    return launch(config)


def main() -> None:
    """The entry point."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
