"""The door of an edge: by which certificates it is known, and whom it lets in, as which tenant.

Guarantees: nobody gets past `admit` without what the configuration asks for; what is read again replaces what holds
only if all of it is good. Who is let in without a name is the tenant "".
"""

from __future__ import annotations

import logging
from typing import Any

import grpc

from edge_server.config import EdgeConfig
from edge_server.tenants import Tenants
from shared import pem
from shared.errors import InvalidValue, Unauthenticated
from shared.loopback import is_loopback
from shared.wire.metadata import bearers_of

log = logging.getLogger(__name__)

NOBODY = ""  # the tenant of all who are let in without a name


class Door:
    """Certificates and tenants of one edge. Raises InvalidValue if they cannot be used."""

    def __init__(self, config: EdgeConfig) -> None:
        self._config = config
        self._tenants: Tenants | None = None
        self._renewed: Any = None  # certificates that gRPC has not fetched yet
        self._certificates: Any = None
        self.read()
        self._renewed = None

    def read(self) -> None:
        """Read all files, at first or again. Raises InvalidValue; what held before still holds then."""
        config = self._config
        tenants = Tenants.read(config.tenants) if config.tenants is not None else None
        certificates = None
        if config.tls_cert is not None and config.tls_key is not None:
            chain, key = pem.pair(config.tls_cert, config.tls_key, pem.today())
            roots = None
            if config.tls_client_ca is not None:
                roots = pem.authorities("tls_client_ca", config.tls_client_ca)
            certificates = grpc.ssl_server_certificate_configuration([(key, chain)], roots)
            if (left := pem.expiry(chain) - pem.today()) < pem.SOON:
                log.warning("the certificate %s expires in %d days", config.tls_cert, left.days)
        self._tenants, self._certificates, self._renewed = tenants, certificates, certificates

    def read_again(self) -> None:
        """The same for a running edge, which goes on as it was if something is wrong."""
        try:
            self.read()
        except InvalidValue as refused:
            log.error("nothing was read again: %s", refused)
        else:
            log.info("tenants and certificates were read again")

    def listen(self, server: grpc.aio.Server, address: str) -> int:
        """Have `server` listen; the port. Raises RuntimeError if it cannot."""
        if self._certificates is None:
            return server.add_insecure_port(address)
        asks = self._config.tls_client_ca is not None
        credentials = grpc.dynamic_ssl_server_credentials(self._certificates, self._fetch, asks)
        return server.add_secure_port(address, credentials)

    def admit(self, context: grpc.aio.ServicerContext[Any, Any]) -> str:
        """The tenant who asks. Raises Unauthenticated."""
        if self._tenants is not None:
            tokens = bearers_of(context.invocation_metadata())
            if len(tokens) > 1:  # whichever counted, something on the way may have looked at another
                raise Unauthenticated(f"this edge takes one authorization header, and {len(tokens)} were sent")
            return self._tenants.of(tokens[0] if tokens else None)
        if self._config.tls_client_ca is not None:
            names = context.auth_context().get("x509_common_name", ())
            name: str = next(iter(names), b"").decode(errors="replace")
            return "".join(filter(str.isprintable, name))[:64]
        return NOBODY

    @property
    def described(self) -> str:
        """What it asks for, in a few words."""
        config = self._config
        link = "in the clear" if config.tls_cert is None else "TLS" if config.tls_client_ca is None else "mutual TLS"
        return f"{link}, {'everybody' if self._tenants is None else f'{self.count} tenants'} let in"

    @property
    def count(self) -> int:
        """How many tenants there are."""
        return 0 if self._tenants is None else len({name for _, name in self._tenants.known})

    def warn(self) -> None:
        """Say what an operator may not have meant."""
        config = self._config
        if is_loopback(config.host):
            return
        if config.tls_cert is None:
            log.warning("pictures, text%s travel in the clear", " and tokens" if self._tenants is not None else "")
        if self._tenants is None and config.tls_client_ca is None:
            log.warning("whoever reaches this address may ask, and shares caches with all others: see --tenants")

    def _fetch(self) -> Any:
        """Certificates that are new since gRPC last asked, on a thread of its own; None: those it has still hold."""
        renewed, self._renewed = self._renewed, None
        return renewed
