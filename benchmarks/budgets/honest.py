"""An honest device that asks again and again: how long its answers take, and their first tokens."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from device_client.api import AsyncClient
from device_client.config import DeviceConfig
from shared.demo.pair import samples
from shared.errors import CovspecError
from shared.speculation.request import SamplingWish

TOKENS = 24
_PATIENCE = 30.0  # seconds for one answer, after which it has failed


@dataclass
class Times:
    """Seconds of each answer and of its first token, and how many answers failed."""

    answers: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def answer(self) -> float:
        """The median; infinity if there was none."""
        return median(self.answers) if self.answers else float("inf")

    @property
    def first(self) -> float:
        """The median; infinity if there was none."""
        return median(self.firsts) if self.firsts else float("inf")


async def asking(edge: str, enough: Callable[[Times], bool]) -> Times:
    """Ask the edge about a sample picture until it is `enough`."""
    picture, question = samples()[0]
    times = Times()
    async with AsyncClient(DeviceConfig(edge=edge, threads=1, reconnect_seconds=_PATIENCE)) as client:
        wish = SamplingWish(temperature=0.0, max_tokens=TOKENS, ignore_eos=True)
        while not enough(times):
            begin, first = time.perf_counter(), 0.0
            try:
                async with asyncio.timeout(_PATIENCE), client.stream(question, [picture], sampling=wish) as answer:
                    async for _ in answer:
                        first = first or time.perf_counter() - begin
            except (CovspecError, TimeoutError) as failed:
                times.failed.append(f"{type(failed).__name__}: {failed}")
                continue
            times.answers.append(time.perf_counter() - begin)
            times.firsts.append(first)
    return times


def asking_by_http(port: int, enough: Callable[[Times], bool]) -> Times:
    """The same by the endpoint, with text alone."""
    times = Times()
    wish = {"temperature": 0, "max_tokens": TOKENS, "ignore_eos": True, "stream": True}
    body = json.dumps({"model": "target", "messages": [{"role": "user", "content": "What is there?"}], **wish})
    while not enough(times):
        begin, first = time.perf_counter(), 0.0
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
            connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
            response = connection.getresponse()
            for line in response:
                if not first and b'"content":"' in line.replace(b": ", b":"):
                    first = time.perf_counter() - begin
            connection.close()
        except OSError as failed:
            times.failed.append(f"{type(failed).__name__}: {failed}")
            continue
        if response.status != 200:
            times.failed.append(f"status {response.status}")
            continue
        times.answers.append(time.perf_counter() - begin)
        times.firsts.append(first)
    return times
