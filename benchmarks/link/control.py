"""What the owner of a link says to the process that carries it, and what that answers: one line of JSON each.

Every command gets one answer, in order; before the first command comes `Ready` or `Refused`. A command is in force when
its answer is read. The end of the commands is the end of the process.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass

from benchmarks.link.profile import Profile
from benchmarks.link.queueing import Count
from shared.errors import InvalidValue


@dataclass(frozen=True)
class Shape:
    """Profiles from the device to the edge, and back."""

    up: Profile
    down: Profile


@dataclass(frozen=True)
class Blackhole:
    """From now on nothing enters the link; or again."""

    on: bool


@dataclass(frozen=True)
class Cut:
    """Break every connection across the link that is open now."""


@dataclass(frozen=True)
class Reach:
    """Where does a device find this port of the edge?"""

    port: int


@dataclass(frozen=True)
class Report:
    """What has passed so far?"""


Command = Shape | Blackhole | Cut | Reach | Report


@dataclass(frozen=True)
class Ready:
    """The link is up. A command behind `device_prefix` or `edge_prefix` runs at that end."""

    device_prefix: tuple[str, ...]
    edge_prefix: tuple[str, ...]
    edge_host: str


@dataclass(frozen=True)
class Done:
    """The command is in force."""


@dataclass(frozen=True)
class Reached:
    """HOST:PORT for the device."""

    address: str


@dataclass(frozen=True)
class Traffic:
    """Everything since the link is up."""

    up: Count
    down: Count


@dataclass(frozen=True)
class Refused:
    """It cannot be done here. `reason`: a sentence."""

    reason: str


Answer = Ready | Done | Reached | Traffic | Refused


def encode(message: Command | Answer) -> bytes:
    """One line."""
    return json.dumps({"kind": type(message).__name__} | asdict(message)).encode() + b"\n"


def say(answer: Answer) -> None:
    """Answer, from inside the process."""
    os.write(sys.stdout.fileno(), encode(answer))


def decode_command(line: bytes) -> Command:
    """Raises InvalidValue for a line that is no command."""
    try:
        match json.loads(line):
            case {"kind": "Shape", "up": dict(up), "down": dict(down)}:
                return Shape(Profile(**up), Profile(**down))
            case {"kind": "Blackhole", "on": bool(on)}:
                return Blackhole(on)
            case {"kind": "Cut"}:
                return Cut()
            case {"kind": "Reach", "port": int(port)}:
                return Reach(port)
            case {"kind": "Report"}:
                return Report()
    except (ValueError, TypeError):
        pass
    raise InvalidValue("link command", line, "it must be one of Shape, Blackhole, Cut, Reach, Report with its fields")


def decode_answer(line: bytes) -> Answer:
    """Raises InvalidValue for a line that is no answer."""
    try:
        match json.loads(line):
            case {"kind": "Ready", "device_prefix": list(device), "edge_prefix": list(edge), "edge_host": str(host)}:
                return Ready(tuple(device), tuple(edge), host)
            case {"kind": "Done"}:
                return Done()
            case {"kind": "Reached", "address": str(address)}:
                return Reached(address)
            case {"kind": "Traffic", "up": dict(up), "down": dict(down)}:
                return Traffic(Count(**up), Count(**down))
            case {"kind": "Refused", "reason": str(reason)}:
                return Refused(reason)
    except (ValueError, TypeError):
        pass
    raise InvalidValue("link answer", line, "it must be one of Ready, Done, Reached, Traffic, Refused with its fields")
