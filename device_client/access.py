"""How this device gets in at its edge: TLS and its certificates, its token, and what it says when that does not work.

Guarantees: a token never goes out in the clear to another machine unless the person said so; it is in no log and in no
`repr`. The device checks the edge's certificate, always, when it speaks TLS.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from device_client.config import DeviceConfig
from device_client.reasons import Proxy, proxy_of, reason_of
from shared import pem
from shared.errors import CovspecError, InvalidValue, Unavailable
from shared.loopback import is_loopback
from shared.wire.metadata import Metadata, bearer_metadata

# The ping timeout notices an edge that hangs without closing. A new channel must not share a connection that is dead.
_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_500),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 4 * 2**20),
)

_NO_PROXY = ("grpc.enable_http_proxy", 0)


@dataclass(frozen=True)
class Access:
    """The edge's address, and what gets this device in there. `credentials` None: in the clear."""

    address: str  # as gRPC takes it
    credentials: grpc.ChannelCredentials | None = field(default=None, repr=False)
    metadata: Metadata = field(default=(), repr=False)  # of each call
    name: str = ""  # that the edge's certificate must have; empty: the address's
    typed: str = ""  # the address as the person wrote it
    proxy: Proxy | None = None  # on the way there

    @classmethod
    def of(cls, config: DeviceConfig) -> Access:
        """What the configuration says. Raises InvalidValue for files that cannot be used."""
        credentials = None
        if config.speaks_tls:
            roots = pem.authorities("tls_ca", Path(config.tls_ca)) if config.tls_ca is not None else None
            chain = key = None
            if config.tls_cert is not None and config.tls_key is not None:
                chain, key = pem.pair(Path(config.tls_cert), Path(config.tls_key), pem.today())
            credentials = grpc.ssl_channel_credentials(roots, key, chain)
        token = _token(config)
        metadata = bearer_metadata(token) if token else ()
        proxy = proxy_of(config.address.host, os.environ)
        return cls(str(config.address), credentials, metadata, config.tls_name, config.edge.strip(), proxy)

    def channel(self) -> grpc.aio.Channel:
        """A new channel to the edge. Nothing is sent yet."""
        options = _OPTIONS if self.proxy is not None else (*_OPTIONS, _NO_PROXY)
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        options = (*options, ("grpc.ssl_target_name_override", self.name)) if self.name else options
        return grpc.aio.secure_channel(self.address, self.credentials, options=options)

    @property
    def is_overheard(self) -> bool:
        """Whether others may hear what is said."""
        return self.credentials is None and not is_loopback(self.address.rpartition(":")[0])

    def explained(self, failed: Unavailable) -> Unavailable:
        """The same error with the address as it was typed; what gRPC says is told in words of the options."""
        reason = reason_of(str(failed), tls=self.credentials is not None, proxy=self.proxy)
        return failed if reason is None else Unavailable(f"the edge {self.typed} cannot be reached: {reason}")

    def lost(self, failed: CovspecError, tokens: int, *, seconds: float | None) -> CovspecError:
        """The same error, of an edge that went away in the middle of an answer of which so many tokens stand.

        `seconds`: that it was waited for; None: it was not.
        """
        if not isinstance(failed, Unavailable):
            return failed
        said = str(failed)
        reason = reason_of(said, tls=self.credentials is not None, proxy=self.proxy, begun=True) or said
        back = "" if seconds is None else f" and did not come back in {seconds:g} s"
        counted = "1 token stands" if tokens == 1 else f"{tokens} tokens stand"
        sentence = f"the edge {self.typed} went away{back}: the answer is not complete, {counted} ({reason})"
        return Unavailable(sentence)


def _token(config: DeviceConfig) -> str:
    if config.token_file is None:
        return config.token
    token = pem.read("token_file", Path(config.token_file)).decode("utf-8-sig", errors="replace").strip()
    if not token or not token.isascii() or any(character.isspace() for character in token):
        raise InvalidValue("token_file", str(config.token_file), "must hold one token, in ASCII, and nothing else")
    return token
