"""How this device gets in at its edge: TLS and its certificates, its token, and what it says when that does not work.

Guarantees: a token never goes out in the clear to another machine unless the person said so; it is in no log and in no
`repr`. The device checks the edge's certificate, always, when it speaks TLS.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc

from device_client.config import DeviceConfig
from shared import pem
from shared.errors import InvalidValue, Unavailable
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


@dataclass(frozen=True)
class Access:
    """The edge's address, and what gets this device in there. `credentials` None: in the clear."""

    address: str
    credentials: grpc.ChannelCredentials | None = field(default=None, repr=False)
    metadata: Metadata = field(default=(), repr=False)  # of each call
    name: str = ""  # that the edge's certificate must have; empty: the address's

    @classmethod
    def of(cls, config: DeviceConfig) -> Access:
        """What the configuration says. Raises InvalidValue for files that cannot be used."""
        credentials = None
        if config.speaks_tls:
            roots = pem.authorities("tls_ca", config.tls_ca) if config.tls_ca is not None else None
            chain = key = None
            if config.tls_cert is not None and config.tls_key is not None:
                chain, key = pem.pair(config.tls_cert, config.tls_key, pem.today())
            credentials = grpc.ssl_channel_credentials(roots, key, chain)
        token = _token(config)
        return cls(config.edge, credentials, bearer_metadata(token) if token else (), config.tls_name)

    def channel(self) -> grpc.aio.Channel:
        """A new channel to the edge. Nothing is sent yet."""
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options=_OPTIONS)
        options = (*_OPTIONS, ("grpc.ssl_target_name_override", self.name)) if self.name else _OPTIONS
        return grpc.aio.secure_channel(self.address, self.credentials, options=options)

    @property
    def is_overheard(self) -> bool:
        """Whether others may hear what is said."""
        return self.credentials is None and not is_loopback(self.address.rpartition(":")[0])

    def explained(self, failed: Unavailable) -> Unavailable:
        """The same error; what gRPC says of TLS is told in words of the options that may mend it."""
        said = str(failed)
        for words, sentence in _FAILURES:
            if words in said:
                return Unavailable(sentence)
        if "Socket closed" in said or "Connection reset" in said:
            return Unavailable(f"it closed the connection: {_CLOSED[self.credentials is not None]}")
        return failed


_FAILURES = (
    ("certificate has expired", "its certificate has expired"),
    ("Hostname Verification", "its certificate is for another name than this address (--tls-name says which is meant)"),
    ("CERTIFICATE_VERIFY_FAILED", "no authority that this device trusts has signed its certificate (--tls-ca)"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS, and this device was told to"),
    ("Connection refused", "nothing listens there; is the edge running, and is this its port (--edge)?"),
    ("http1.x server", "what listens there speaks HTTP/1 and is no edge; is this its port (--edge)?"),
    ("Domain name not found", "no machine of this name is known (--edge)"),
)
_CLOSED = {
    False: "it may speak TLS (--tls, --tls-ca)",
    True: "it may ask for a certificate of this device, or not take the one it has (--tls-cert, --tls-key)",
}


def _token(config: DeviceConfig) -> str:
    if config.token_file is None:
        return config.token
    token = pem.read("token_file", config.token_file).decode(errors="replace").strip()
    if not token or not token.isascii() or any(character.isspace() for character in token):
        raise InvalidValue("token_file", str(config.token_file), "must hold one token, in ASCII, and nothing else")
    return token
