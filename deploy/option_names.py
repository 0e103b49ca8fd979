"""Writes the options of every verb: `python -m deploy.option_names > shared/option_names.py`.

Each end must know the names of the other's options, so that one file serves both, and neither may import the other.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

import device_client.__main__ as device
import edge_server.__main__ as edge
from shared.command_line import hints

HEAD = '''\
"""The options of every verb by the names that files and variables have for them. `make env` writes this."""

from __future__ import annotations

from collections.abc import Mapping

EDGE, DEVICE = "edge-server", "device-client"

_OPTIONS: Mapping[str, str] = {'''
TAIL = "OPTIONS: Mapping[str, frozenset[str]] = {verb: frozenset(names.split()) for verb, names in _OPTIONS.items()}"


def lines() -> Iterator[str]:
    """The lines of the module."""
    yield HEAD
    wrapper = textwrap.TextWrapper(116, initial_indent="        ", subsequent_indent="        ")
    for verb, options in {**hints(edge.app), **hints(device.app)}.items():
        yield f'    "{verb}": """'
        yield from wrapper.wrap(" ".join(sorted(options)))
        yield '    """,'
    yield "}"
    yield TAIL


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
