"""Starts an edge process: logging, threads, the model by name, the event loop."""

from __future__ import annotations

import signal
import sys

import uvloop

from edge_server.config import EdgeConfig
from edge_server.server import serve
from shared import logs
from shared.demo.pair import target_folder
from shared.media.quiet import quiet_decoders
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.threads import pin_process, pin_thread, resolve_threads

# The model's thread lets the interpreter go at every operation of torch, hundreds in a step. By Python's own 5 ms it
# would wait so long for each while the event loop has something to do, and a crowd of streams would stop the answers.
SWITCH_SECONDS = 0.0002


def launch(config: EdgeConfig) -> int:
    """Run an edge until it is told to stop; the exit code."""
    logs.set_up(config.log_level, config.log_format)
    quiet_decoders()
    threads = resolve_threads(config.threads, config.model)
    pin_process(threads)
    sys.setswitchinterval(SWITCH_SECONDS)

    def load_model() -> Vlm:
        pin_thread(threads)  # this is the thread that runs the model
        name = str(target_folder()) if config.model == "demo" else config.model
        return load(name, config.dtype, config.device, config.quantization)

    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # else the loop's runner takes it before `serve` does, and does not drain
    uvloop.run(serve(config, load_model))
    return 0
