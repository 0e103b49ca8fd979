"""The configuration of the endpoint. Light to import: the command line's help needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

from shared.address import check_host
from shared.errors import InvalidValue
from shared.loopback import is_loopback


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """What a person may set about the endpoint, beside the device behind it."""

    host: str = "127.0.0.1"
    """Address to bind. One that others can reach needs --api-key or --anonymous; HTTP is not encrypted."""
    port: int = 8000
    """TCP port; 0 takes a free one and prints it."""
    api_key: str = field(default="", repr=False)
    """Key that clients must send as bearer token. Others on this machine can read a command line: better
    COVSPEC_DEVICE_API_KEY."""
    anonymous: bool = False
    """Let everybody who can reach a public address ask without a key."""
    served_model_name: tuple[str, ...] = ()
    """Further names under which clients may ask for the edge's model; may be given several times."""
    allowed_hosts: tuple[str, ...] = ()
    """Names in the Host header to answer to, beside those of this machine, as a proxy passes them on; *.example.com for
    all below, * for any. May be given several times. Without, and with an API key or a public address: any."""
    parallel: int = 4
    """Answers side by side; their drafts take turns on the one draft model."""
    max_waiting: int = 64
    """Answers that wait in line for one of those places; the next one is refused with 503."""
    max_choices: int = 8
    """Most answers to one request (n)."""
    max_body_mib: float = 64.0
    """MiB of one request, its pictures included. All requests together may hold four times as much."""
    request_seconds: float = 60.0
    """Seconds that a request may take to arrive whole."""
    decode_mib: float = 3072.0
    """MiB for decoding images, and for decoded ones until their answer is over, in all requests together. Requests wait
    for it in the order of coming, 30 s at most; one that needs more than all of it is refused."""
    allow_url: bool = False
    """Fetch pictures from http(s) URLs. Whoever may ask can then make this machine call any address in its reach."""
    drain_seconds: float = 10.0
    """Seconds that running answers get after SIGTERM."""
    trace: Path | None = None
    """File for timelines of both ends: of out.json come out-1.json, out-2.json, for each of the first 1000
    answers one."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level of log lines, on stderr."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("port", 0, 65535),
            ("parallel", 1, 1024),
            ("max_waiting", 0, 100_000),
            ("max_choices", 1, 128),
            ("max_body_mib", 0.001, 1024),
            ("decode_mib", 1, 2**20),
            ("request_seconds", 0.1, 3600),
            ("drain_seconds", 0, 3600),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidValue(name, getattr(self, name), f"must lie between {low} and {high}")
        if not self.api_key.isascii() or any(character.isspace() for character in self.api_key):
            raise InvalidValue("api_key", "(hidden)", "must be ASCII without spaces")
        check_host("host", self.host)
        if not (self.api_key or self.anonymous or self.on_loopback):
            rule = "others can reach this address: say --api-key KEY, or --anonymous if everybody may ask"
            raise InvalidValue("host", self.host, rule)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return is_loopback(self.host)
