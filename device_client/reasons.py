"""Why an edge cannot be reached, in words of the options that may mend it: never gRPC's own.

Pure. A sentence that an edge has sent stays as it is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.loopback import is_loopback

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")  # as gRPC looks for them, in lower case alone
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that gRPC asks for a way to another machine. `variable`: where it was named."""

    address: str
    variable: str

    def __str__(self) -> str:
        return f"the proxy {self.address} ({self.variable})"


def proxy_of(host: str, variables: Mapping[str, str]) -> Proxy | None:
    """The proxy through which `host` is asked, None for none: this machine never is."""
    if is_loopback(host):
        return None
    variable = next((name for name in _PROXIES if variables.get(name)), None)
    if variable is None:
        return None
    found = re.fullmatch(r"http://(?:[^/@]*@)?([^/@]+)/?.*", variables[variable])
    exceptions = next((variables[name] for name in _EXCEPTIONS if variables.get(name)), "")
    if found is None or any(_excepts(entry.strip(), host) for entry in exceptions.split(",")):
        return None
    return Proxy(found[1], variable)


def _excepts(entry: str, host: str) -> bool:
    if not entry:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return entry == "*" or host.lower().endswith(entry.lower())


def reason_of(said: str, *, tls: bool, proxy: Proxy | None, begun: bool = False) -> str | None:
    """What gRPC's words `said` mean for a person; None if they are not gRPC's but an edge's or this device's own.

    `begun`: there was an answer on the way, so what is set was right.
    """
    for words, sentence in _FAILURES:
        if words in said:
            return sentence
    if begun and "Connection refused" in said:
        return "nothing listens there any more"
    if proxy is not None and "Connection refused" in said:
        return f"nothing listens at {proxy}; no_proxy names hosts that are asked without it"
    for words, sentence in _CONNECTIONS:
        if words in said:
            return f"{sentence}{f', through {proxy}' if proxy is not None else ''}"
    if any(words in said for words in _CLOSED_WORDS):
        return "the connection broke" if begun else f"it closed the connection: {_CLOSED[tls]}"
    if _JARGON.search(said):
        return f"the connection failed{f', through {proxy}' if proxy is not None else ''}"
    return None


_FAILURES = (
    ("certificate has expired", "its certificate has expired"),
    ("Hostname Verification", "its certificate is for another name than this address (--tls-name says which is meant)"),
    ("CERTIFICATE_VERIFY_FAILED", "no authority that this device trusts has signed its certificate (--tls-ca)"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS, and this device was told to"),
    ("HTTP proxy returned response code", "the proxy did not let it through (https_proxy, http_proxy)"),
)
_CONNECTIONS = (
    ("Connection refused", "nothing listens there; is the edge running, and is this its port (--edge)?"),
    ("http1.x server", "what listens there speaks HTTP/1 and is no edge; is this its port (--edge)?"),
    ("errors resolving", "no machine of this name is known (--edge)"),
    ("DNS", "no machine of this name is known (--edge)"),
    ("No route to host", "no way leads there (--edge)"),
    ("Network is unreachable", "no network of this machine leads there (--edge)"),
    ("Deadline Exceeded", "it does not answer"),
    ("imed out", "it does not answer"),
    ("imeout", "it does not answer"),
)
_CLOSED_WORDS = ("Socket closed", "Connection reset", "Broken pipe", "recvmsg")
_CLOSED = {
    False: "it may speak TLS (--tls, --tls-ca)",
    True: "it may ask for a certificate of this device, or not take the one it has (--tls-cert, --tls-key)",
}
_JARGON = re.compile(
    r"ipv[46]:|unix:|\b(?:UNKNOWN|INTERNAL|UNAVAILABLE|CANCELLED|FAILED_PRECONDITION|ABORTED): |RST_STREAM|GOAWAY|http2"
    r"|HTTP/?2|endpoint|failed to connect|Stream removed|Internal error from Core|\bwith [A-Z_]+$|\[field:|tcp_"
    r"|handshake",
)
