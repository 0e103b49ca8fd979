"""How every verb of the command line begins: threads pinned, log lines on the screen, the draft model loaded."""

from __future__ import annotations

import logging
from dataclasses import replace

from device_client.api import load_draft
from device_client.config import DeviceConfig
from device_client.show import Notes, Screen
from shared.vlm.port import Vlm
from shared.vlm.threads import pin_process, resolve_threads


def log_to(screen: Screen, *, verbose: bool) -> None:
    """Warnings, and if `verbose` what our own parts tell, become notes of the screen."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[Notes(screen)])
    if verbose:
        logging.getLogger("device_client").setLevel(logging.INFO)


def loaded(config: DeviceConfig, screen: Screen) -> tuple[DeviceConfig, Vlm]:
    """The configuration with its threads settled, and its draft. Raises ModelError."""
    config = replace(config, threads=resolve_threads(config.threads, config.draft))
    pin_process(config.threads)
    with screen.busy(f"loading the draft {config.draft} …"):
        return config, load_draft(config)
