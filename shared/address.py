"""Addresses as people write them: host:port, or a sentence that says how the one that was written is written.

Guarantees: what it gives back means the same to gRPC as to the person; a user's name and password before an @ are not
repeated.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from shared.errors import InvalidValue

EDGE_PORT = 50051
_LONGEST = 253  # characters of a host's name, by RFC 1035
_SHOWN = 60
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/+(.*)", re.DOTALL)
_RESOLVERS = ("dns:", "ipv4:", "ipv6:", "xds:", "passthrough:")  # gRPC's own, without slashes
_UNIX = ("unix:", "unix-abstract:", "vsock:", "/", "./", "~")
_ENCRYPTED = ("https", "grpcs")


@dataclass(frozen=True)
class Address:
    """A host, without brackets, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def read(cls, field: str, text: str, default_port: int = EDGE_PORT) -> Address:
        """The address in `text`. Raises InvalidValue, which says how to write it."""
        written = text.strip()
        if (rule := _wrong_form(written, default_port)) is not None:
            raise InvalidValue(field, _shown(text), rule)
        bracketed = re.fullmatch(r"\[(?P<host>[^\]]*)\](?P<port>:.*)?", written)
        plain = re.fullmatch(r"(?P<host>[^:]*)(?P<port>:[^:]*)?", written)
        found = bracketed or plain
        if found is None:
            raise InvalidValue(field, _shown(text), _colons(written, default_port))
        host, port = found["host"], found["port"] or f":{default_port}"
        if bracketed and not _is_v6(host):
            raise InvalidValue(field, _shown(text), "holds no IPv6 address in its brackets")
        if not bracketed and (rule := _wrong_host(host)) is not None:
            raise InvalidValue(field, _shown(text), rule)
        if not re.fullmatch(r":0*[1-9][0-9]{0,4}", port) or int(port[1:]) > 65535:
            raise InvalidValue(field, _shown(text), "must be host:port with a port from 1 to 65535")
        return cls(host, int(port[1:]))


def check_host(field: str, text: str) -> None:
    """Refuse what cannot be a host to listen at. Raises InvalidValue, which says how to write it."""
    rule: str | None = None
    if _SCHEME.fullmatch(text):
        rule = "must be an address of this machine, without http:// and the like"
    elif _is_v6(text):
        return
    elif _is_v6(text.strip("[]")):
        rule = f"must be without brackets: {text.strip('[]')}"
    elif re.fullmatch(r"[^:]+:[0-9]+", text) or re.fullmatch(r"\[.*\]:[0-9]+", text):
        rule = "must be an address without a port: the port has an option of its own (--port)"
    else:
        rule = _wrong_host(text, "must be an address of this machine,")
    if rule is not None:
        raise InvalidValue(field, _shown(text), rule)


def _wrong_form(written: str, default_port: int) -> str | None:
    """What is wrong with what is no host:port at all."""
    if not written:
        return f"must be host:port, such as 127.0.0.1:{default_port}"
    if "@" in written:
        return "must be host:port without a user's name: a token has its own option (--token-file)"
    if written.startswith(_UNIX):
        return "must be host:port: an edge listens at no Unix socket"
    scheme = _SCHEME.fullmatch(written)
    if scheme is None and written.lower().startswith(_RESOLVERS):
        return f"must be host:port, without {written.partition(':')[0]}:"
    rest = (scheme[2] if scheme else written).partition("/")[0]
    if scheme is None and rest == written:
        return None
    tls = ", and say --tls or --tls-ca" if scheme and scheme[1].lower() in _ENCRYPTED else ""
    return f"write {_shown(rest) or 'host:port'} alone{tls}"


def _wrong_host(host: str, form: str = "must be host:port, with a host") -> str | None:
    if not host or len(host) > _LONGEST:
        return f"{form} of 1 to {_LONGEST} characters"
    if re.fullmatch(r"[A-Za-z0-9._-]+", host):
        return None
    try:
        coded = host.encode("idna").decode()
    except UnicodeError:
        coded = ""
    if coded and re.fullmatch(r"[A-Za-z0-9._-]+", coded):
        return f"must be in ASCII: {coded}"
    return f"{form} of letters, digits and . _ -"


def _colons(written: str, default_port: int) -> str:
    """How to write what has several colons and no brackets."""
    head, _, tail = written.rpartition(":")
    meant = f"[{written}]:{default_port}" if _is_v6(written) else ""
    if _is_v6(head) and tail.isdecimal() and len(tail) >= 4:
        meant = f"[{head}]:{tail}"
    if not meant and re.search(r"[^0-9A-Fa-f:.]", written.partition("%")[0]) and written[0] != "[":
        return "must be host:port, one address with one port"
    return f"an IPv6 address stands in brackets: {meant or '[::1]:50051'}"


def _is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    text = f"(hidden)@{text.rpartition('@')[2]}" if "@" in text else text
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
