"""How every verb of the command line begins: threads pinned, log lines on the screen, the draft model loaded."""

from __future__ import annotations

import logging
from dataclasses import replace

import uvloop

from device_client.access import Access
from device_client.api import load_draft
from device_client.config import DeviceConfig
from device_client.link import server_info
from device_client.show import Notes, Screen
from shared import logs
from shared.errors import Overloaded, Unavailable
from shared.media.quiet import quiet_decoders
from shared.vlm.port import Vlm
from shared.vlm.threads import pin_process, resolve_threads


def log_to(screen: Screen, config: DeviceConfig, *, verbose: bool) -> None:
    """Warnings, and if `verbose` what our own parts tell, become notes of the screen; or all of it lines of JSON."""
    quiet_decoders()
    if config.log_format == "json":
        logs.set_up("warning", "json")
    else:
        notes = Notes(screen)
        notes.setFormatter(logs.TextLines(""))
        logging.basicConfig(level=logging.WARNING, handlers=[notes])
    if verbose or config.log_format == "json":
        logging.getLogger("device_client").setLevel(logging.INFO)


def loaded(config: DeviceConfig, screen: Screen) -> tuple[DeviceConfig, Vlm]:
    """The configuration with its threads settled, and its draft. Raises ModelError."""
    config = replace(config, threads=resolve_threads(config.threads, config.draft))
    pin_process(config.threads)
    with screen.busy(f"loading the draft {config.draft} …"):
        return config, load_draft(config)


def look_at_edge(config: DeviceConfig) -> None:
    """See that this device gets in at its edge, before minutes go into loading a draft.

    An edge that is there and still loads its model is waited for in no other way. Raises what would be raised then:
    InvalidValue for files that cannot be used, Unavailable, Unauthenticated.
    """
    if not config.alone:
        uvloop.run(_look(Access.of(config), config))


async def _look(access: Access, config: DeviceConfig) -> None:
    channel = access.channel()
    try:
        await server_info(channel, access.metadata)
    except Unavailable as failed:
        explained = access.explained(failed)
        if explained is not failed and config.fallback != "local":
            raise explained from None
    except Overloaded:
        pass  # there is somebody
    finally:
        await channel.close()
