"""Names of models that can be none, told at once and with what was meant; the hub's retries as one line each.

Names that no hub can have never reach it: it would be asked again and again for half a minute.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import ModelError

OURS = ("demo", "toy")  # that are no folder and no model of the hub
_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_RETRY = re.compile(r"\[Retry (\d+)/(\d+)\]")
_SHOWN = 100
LONGEST = 4096  # characters of a folder's name
log = logging.getLogger(__name__)


def check_hub_name(name: str) -> None:
    """Refuse what is neither a folder here nor can be a name of the hub. Raises ModelError."""
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    path = Path(name)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ModelError(f"{shown}: there is no such folder{_near(path.name, _siblings(path))}")
    if not _HUB_NAME.fullmatch(name):
        near = _near(name.partition(":")[0], [*OURS, *_siblings(path)])
        raise ModelError(f"{shown}: no folder here, and a name of the hub is OWNER/MODEL{near}")


@contextmanager
def hub_lines() -> Iterator[None]:
    """Tell of each retry of the hub in one line of our own, and nothing else that the hub's library has to say."""
    hub, handler = logging.getLogger("huggingface_hub"), _Retries()
    before, propagate = list(hub.handlers), hub.propagate
    hub.handlers, hub.propagate = [handler], False
    try:
        yield
    finally:
        hub.handlers, hub.propagate = before, propagate


class _Retries(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Say which retry it is."""
        if found := _RETRY.search(record.getMessage()):
            log.warning("the hub cannot be reached, trying again (%s of %s)", found[1], found[2])


def _siblings(path: Path) -> list[str]:
    """Folders beside the one that is not there."""
    try:
        return sorted(each.name for each in path.expanduser().parent.iterdir() if each.is_dir())
    except (OSError, RuntimeError, ValueError):
        return []


def _near(name: str, names: list[str]) -> str:
    by_lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), list(by_lower), 1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""
