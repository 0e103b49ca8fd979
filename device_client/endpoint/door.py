"""Who comes in: requests for a host that is ours, with the key if there is one. `/health` needs no key.

A page in a browser can have a name of its own lead to this machine (DNS rebinding), and is then refused by the Host
header. It has no key: with one, or on an address that others reach too, every Host is taken, unless names are given.
"""

from __future__ import annotations

import secrets

from starlette.types import ASGIApp, Receive, Scope, Send

from device_client.endpoint.config import EndpointConfig
from device_client.endpoint.meters import Meters
from device_client.endpoint.refusals import UNAUTHORIZED, Refusal
from device_client.endpoint.writing import send_json
from shared.excerpts import shortened
from shared.loopback import is_loopback

_OPEN = "/health"  # needs no key: those who watch a machine have none


class Door:
    """Lets in to `app` who may come in by `config`."""

    def __init__(self, app: ASGIApp, config: EndpointConfig, meters: Meters) -> None:
        self._app = app
        self._key = config.api_key.encode()
        self._meters = meters
        self._hosts = tuple(name.lower().rstrip(".") for name in (config.host, *config.allowed_hosts))
        self._any_host = not config.allowed_hosts and (bool(config.api_key) or not config.on_loopback)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let in."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        self._meters.refused(refusal.status)
        await send_json(send, refusal.status, refusal.body, refusal.headers)

    def _refusal(self, scope: Scope) -> Refusal | None:
        hosts = _values(scope, b"host")
        if hosts and not self._is_ours(hosts[-1].decode("latin-1")):
            name = shortened(_name(hosts[-1].decode("latin-1")))
            message = f"host is {name!r}: this endpoint answers to other names only; --allowed-hosts adds some"
            return Refusal(400, message, param="host", code="host_not_allowed")
        if self._key and scope["path"] != _OPEN and scope["method"] != "OPTIONS":
            said = _values(scope, b"authorization")
            scheme, _, key = said[0].partition(b" ") if len(said) == 1 else (b"", b"", b"")
            if scheme.lower() != b"bearer" or not secrets.compare_digest(key.strip(), self._key):
                return UNAUTHORIZED
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return (
            self._any_host
            or is_loopback(name)
            or name in self._hosts
            or "*" in self._hosts
            or any(pattern.startswith("*.") and name.endswith(pattern[1:]) for pattern in self._hosts)
        )


def _values(scope: Scope, header: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == header]


def _name(host: str) -> str:
    """The name or address in a Host header, without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return (host if host.count(":") > 1 else host.partition(":")[0]).rstrip(".")
