"""Pictures from http(s) addresses, for those who may name some (`--allow-url`).

Guarantees: a fetch is over within its seconds, however slowly a server drips, and no more bytes than allowed are read
or unpacked. A server may send on to itself or to a public address, not into a network behind this machine; link-local
addresses, where clouds keep their keys, are never called. No sentence shows an address's user, password or query.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from importlib.metadata import version

import httpx2

from shared.errors import ImageError, Overloaded
from shared.excerpts import Shown, shortened

SECONDS = 20.0
AT_ONCE = 32  # fetches; a socket and what has come are all that one costs
REDIRECTS = 3
_HEADERS = {
    "user-agent": f"covspec/{version('covspec')}",
    "accept": "image/*, */*;q=0.5",
    "accept-encoding": "gzip, deflate",
    "connection": "close",
}
_PORTS = {"http": 80, "https": 443}


class _Refused(Exception):
    """Why a picture was not fetched, for a person."""


class Fetcher:
    """Fetches pictures, `at_once` at a time, each within `seconds`."""

    def __init__(self, seconds: float = SECONDS, at_once: int = AT_ONCE) -> None:
        self._seconds = seconds
        self._at_once = at_once
        self._running = 0
        self._tls: ssl.SSLContext | None = None  # takes tens of milliseconds: made once, and only if it is needed

    async def fetch(self, url: str, name: str, most: int, take: Callable[[int], None] = lambda _: None) -> bytes:
        """What is at `url`, `most` bytes at most; `take` is told of bytes as they come, and may refuse more.

        Raises ImageError with `name`, Overloaded if too many are on their way.
        """
        if self._running >= self._at_once:
            raise Overloaded(f"{self._running} pictures are being fetched; try again later", 1.0)
        self._running += 1
        try:
            async with asyncio.timeout(self._seconds):
                return await self._follow(url, most, take)
        except TimeoutError:
            why = f"did not arrive within {self._seconds:g} s"
        except (_Refused, httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError, ValueError) as failed:
            why = f"cannot be fetched: {_reason(failed)}"
        finally:
            self._running -= 1
        raise ImageError(name, Shown(shown(url)), why)

    async def _follow(self, url: str, most: int, take: Callable[[int], None]) -> bytes:
        if self._tls is None:
            self._tls = await asyncio.to_thread(httpx2.create_ssl_context)
        transport = _Transport(self._tls)
        async with httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False, headers=_HEADERS) as client:
            request = client.build_request("GET", url)
            for _ in range(1 + REDIRECTS):
                response = await client.send(request, stream=True)
                async with aclosing(response):
                    if response.next_request is None:
                        return await _body(response, most, take)
                    request = response.next_request
        raise _Refused(f"it sends on more than {REDIRECTS} times")


class _Transport(httpx2.AsyncBaseTransport):
    """Connects to the addresses that it has checked, and to no others that the name may mean a moment later."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._direct = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False)
        self._proxied: list[httpx2.AsyncHTTPTransport] = []
        self._named: tuple[str, list[str]] | None = None  # the host that the person named, and where it is

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response to `request`. Raises _Refused, httpx2.HTTPError."""
        url, host = request.url, request.url.raw_host.decode("ascii")
        port = url.port or _PORTS.get(url.scheme)
        if port is None or not host or port > 65535:
            raise _Refused("it is no address of http or https" if port is None or not host else "it has no such port")
        if proxy := _proxy(url.scheme, host):
            if self._named is not None and host != self._named[0]:
                _check_words(host)
            self._named = self._named or (host, [])
            self._proxied.append(httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False, proxy=proxy))
            return await self._proxied[-1].handle_async_request(request)
        failed: httpx2.HTTPError = httpx2.ConnectError("it has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._direct.handle_async_request(_at(request, host, address))
            except httpx2.ConnectError as broken:
                failed = broken
        raise failed

    async def _addresses(self, host: str, port: int) -> list[str]:
        if self._named is not None and self._named[0] == host and self._named[1]:
            return self._named[1]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise _Refused("no machine has that name") from None
        addresses = [str(each[4][0]) for each in found]
        if self._named is None:
            allowed = [address for address in addresses if not _ip(address).is_link_local]
            self._named = (host, allowed)
        else:
            allowed = [address for address in addresses if _is_public(address)]
        if not allowed:
            raise _Refused("it leads to an address that is not called from here")
        return allowed

    async def aclose(self) -> None:
        """Close what is open."""
        for transport in (self._direct, *self._proxied):
            await transport.aclose()


def fetched(url: str, name: str, most: int) -> bytes:
    """As `Fetcher.fetch`, for ordinary code; where an event loop runs, beside it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(Fetcher().fetch(url, name, most))
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, Fetcher().fetch(url, name, most)).result()


def shown(url: str) -> str:
    """What a sentence may repeat of `url`: scheme, host and path."""
    try:
        parsed = httpx2.URL(url)
        return shortened(f"{parsed.scheme}://{parsed.netloc.decode('ascii')}{parsed.path}")
    except (httpx2.InvalidURL, ValueError):
        return "a URL"


def _at(request: httpx2.Request, host: str, address: str) -> httpx2.Request:
    """`request` to an address of its host; the certificate must still be the host's."""
    extensions = {**request.extensions, "sni_hostname": host}
    url = request.url.copy_with(host=address.partition("%")[0])
    return httpx2.Request(request.method, url, headers=request.headers, extensions=extensions)


async def _body(response: httpx2.Response, most: int, take: Callable[[int], None]) -> bytes:
    if response.status_code != 200:
        raise _Refused(f"the server answers with status {response.status_code}")
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise _Refused("it comes in a coding that is not read here")
    unpack = zlib.decompressobj(wbits=47) if coding not in ("identity", "") else None  # gzip or zlib, by its head
    data = bytearray()
    async for chunk in response.aiter_raw(2**16):
        rest: Sequence[int] = chunk
        while rest:
            try:
                piece = chunk if unpack is None else unpack.decompress(bytes(rest), 2**16)
            except zlib.error:
                raise _Refused("it is packed in a broken way") from None
            rest = b"" if unpack is None else unpack.unconsumed_tail
            take(len(piece))
            data += piece
            if len(data) > most:
                raise _Refused(f"it is larger than {most} bytes")
    if unpack is not None and not unpack.eof:
        raise _Refused("it breaks off")
    return bytes(data)


def _reason(failed: Exception) -> str:
    match failed:
        case _Refused():
            return str(failed)
        case httpx2.ConnectError() if isinstance(_root(failed), ssl.SSLError):
            return "its certificate cannot be trusted, or it speaks no TLS"
        case httpx2.ConnectError():
            return "no server answers there"
        case httpx2.RemoteProtocolError() | httpx2.ReadError() | httpx2.WriteError():
            return "the server breaks off, or speaks no HTTP"
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL() | ValueError():
            return "it is no address of http or https"
        case _:
            return "the server cannot be reached"


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for `host`; what is on this machine is asked without."""
    if host == "localhost" or (_is_literal(host) and _ip(host).is_loopback):
        return None
    return None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)


def _check_words(host: str) -> None:
    """What can be said of a redirect's target that a proxy will resolve."""
    if host == "localhost" or (_is_literal(host) and not _is_public(host)):
        raise _Refused("it leads to an address that is not called from here")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _is_public(address: str) -> bool:
    return _ip(address).is_global and not _ip(address).is_multicast
