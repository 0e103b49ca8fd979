"""How requests come in: their bytes, counted for all of them together and within their time, and their JSON.

Guarantees: the bytes of all requests that are on their way, wait or are answered never exceed `most`; what is longer
than a page is parsed on threads of its own, so that the event loop goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from starlette.requests import Request

from device_client.endpoint.reading import ChatRequest, read_request
from device_client.endpoint.refusals import TooLarge, TooSlow
from shared.errors import InvalidValue, Overloaded
from shared.excerpts import Shown, shortened
from shared.media.memory import WORTH_IT, give_back

Value = TypeVar("Value")

MIB = 2**20
WHOLE_REQUESTS = 4  # as large as one may be, that fit in what all may hold
THREADS = 1  # that parse long requests and unpack data URIs: each would hold up the event loop as much as the first
_PAGE = 64 * 1024  # bytes of JSON that are parsed in passing, in about a millisecond


class Budget:
    """Bytes that all requests together may hold."""

    def __init__(self, most: int) -> None:
        self.held = 0
        self._most = most

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """The share of a request: call it with each number of bytes that comes.

        It raises Overloaded for what does not fit beside the others, TooLarge for what would not fit alone.
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if mine + count > self._most:
                raise TooLarge(f"the request and its images are larger than {self._most / MIB:g} MiB together")
            if self.held + count > self._most:
                raise Overloaded("the requests that are here already take all memory set apart for them", 1.0)
            self.held += count
            mine += count

        try:
            yield take
        finally:
            self.held -= mine
            if mine >= WORTH_IT:
                asyncio.get_running_loop().run_in_executor(None, give_back)


class Intake:
    """Reads requests of at most `most` bytes each, which have to be there within `seconds`."""

    def __init__(self, most: int, seconds: float) -> None:
        self.budget = Budget(WHOLE_REQUESTS * most)
        self._most = most
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(THREADS, "requests")

    async def read(self, request: Request, max_choices: int, take: Callable[[int], None]) -> ChatRequest:
        """What `request` asks; `take` is told of its bytes. Raises InvalidValue, Unsupported, TooLarge, TooSlow."""
        _check_kind(request)
        body = await self._body(request, take)
        if len(body) <= _PAGE:
            return read_request(body, max_choices)
        return await self.beside(read_request, body, max_choices)

    async def beside(self, job: Callable[..., Value], *arguments: object) -> Value:
        """What `job` returns on one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, job, *arguments)

    async def _body(self, request: Request, take: Callable[[int], None]) -> bytearray:
        declared = request.headers.get("content-length", "0")
        declared = declared.lstrip("0") if declared.isdecimal() else ""
        if len(declared) > 19 or int(declared or 0) > self._most:
            raise self._too_large()
        data = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    if len(data) + len(chunk) > self._most:
                        raise self._too_large()
                    take(len(chunk))
                    data += chunk
        except TimeoutError:
            raise TooSlow(f"the request did not come to its end within {self._seconds:g} s") from None
        return data

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the request is larger than {self._most / MIB:g} MiB")


def _check_kind(request: Request) -> None:
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        rule = "must be application/json"  # what a page in a browser cannot send to us without asking first
        raise InvalidValue("content-type", shortened(kind) if kind else Shown("missing"), rule)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", ""):
        raise InvalidValue("content-encoding", shortened(coding), "requests are read as they are, not compressed")
