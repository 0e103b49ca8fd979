"""What travels beside the messages of a stream: who asks, and which answer it is about.

Guarantees: a request's name that came from a peer may stand in a log as it is. Keys are HTTP/2 header names.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import TypeAlias

Metadata: TypeAlias = tuple[tuple[str, str], ...]

AUTHORIZATION = "authorization"  # RFC 6750: Bearer TOKEN
REQUEST_KEY = "x-request-id"
ROUTE_KEY = "covspec-route"  # what a proxy may choose the edge by
SIGNS_KEY = "covspec-signs"  # of an edge: seconds
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECONDS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?", re.ASCII)
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE | re.ASCII)


def new_request() -> str:
    """A name for an answer, the same on both ends and on all its streams."""
    return secrets.token_hex(8)


def request_metadata(request: str) -> Metadata:
    """What tells the edge the name of the answer."""
    return ((REQUEST_KEY, request),)


def route_metadata(route: str) -> Metadata:
    """What keeps the streams of an answer at one edge, behind a proxy that chooses by it."""
    return ((ROUTE_KEY, route),)


def bearer_metadata(token: str) -> Metadata:
    """What tells the edge who asks."""
    return ((AUTHORIZATION, f"Bearer {token}"),)


def signs_metadata(seconds: float) -> Metadata:
    """What tells a device how often the edge gives a sign of life unasked, until the answer is opened."""
    return ((SIGNS_KEY, f"{seconds:.3f}"),)


def by_key(metadata: Iterable[tuple[str, str | bytes]] | None) -> Mapping[str, str]:
    """Text values by their key, the last one where a key comes twice."""
    return {key: value for key, value in metadata or () if isinstance(value, str)}


def request_of(values: Mapping[str, str]) -> str | None:
    """The name that a device gave its answer; None for none, and for one that is no name."""
    name = values.get(REQUEST_KEY, "")
    return name if _NAME.fullmatch(name) else None


def bearers_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> list[str | None]:
    """The tokens that a device sent, one for each header that is to hold one; None for a header that holds none."""
    said = [value for key, value in metadata or () if key == AUTHORIZATION]
    found = [_BEARER.fullmatch(value) if isinstance(value, str) else None for value in said]
    return [None if one is None else one[1] for one in found]


def signs_of(values: Mapping[str, str]) -> float | None:
    """Seconds between the signs of life that an edge gives unasked; None if it has promised none."""
    said = values.get(SIGNS_KEY, "")
    return (float(said) or None) if _SECONDS.fullmatch(said) else None
