"""What a person waits for: `--help` of each verb, and the endpoint's first token beside the same answer's in Python.

Run as `python -m benchmarks.waiting`. Both ends and toy models are in this process, so that a model does not hide what
HTTP adds. The two ways take turns; what is printed are medians.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median, quantiles

import uvicorn
import uvloop

from benchmarks.machine import machine
from device_client.api import AsyncClient
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.endpoint.app import Endpoint
from device_client.endpoint.config import EndpointConfig
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.speculation.request import SamplingWish
from shared.vlm.toy import ToyVlm

VERBS = ((), ("ask",), ("chat",), ("doctor",), ("bench",), ("serve",), ("see",))
RUNS, WARM_UP, QUESTIONS = 5, 5, 60
PROMPT = "what is it?"


def help_seconds(verb: tuple[str, ...], runs: int = RUNS) -> float:
    """The median of a few runs."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        command = [sys.executable, "-m", "device_client", *verb, "--help"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - begin)
    return median(times)


async def by_python(client: AsyncClient) -> float:
    """Seconds from the question to the first text."""
    begin = time.perf_counter()
    async with client.stream(PROMPT, sampling=SamplingWish(temperature=0.0, max_tokens=4)) as answer:
        await anext(aiter(answer))
        return time.perf_counter() - begin


async def by_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    """Seconds from the question to the first text, over a connection that stays open."""
    wish = {"temperature": 0, "max_tokens": 4, "stream": True}
    body = json.dumps({"model": "target", "messages": [{"role": "user", "content": PROMPT}], **wish}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    begin = time.perf_counter()
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    seconds = 0.0
    while b"[DONE]" not in (line := await reader.readline()):
        if not seconds and b'"delta":{"content":' in line and b'"role"' not in line:
            seconds = time.perf_counter() - begin
    while await reader.readline() != b"0\r\n":  # the end of the chunked body
        pass
    await reader.readline()
    return seconds


@asynccontextmanager
async def serving(client: Client) -> AsyncIterator[int]:
    """The endpoint on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = Endpoint(EndpointConfig(port=0), client).app
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        task = asyncio.create_task(server._serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def first_tokens(questions: int) -> tuple[list[float], list[float]]:
    """Seconds by Python and by HTTP, in turn, of so many questions after a few to warm up."""
    draft = ToyVlm("draft", seed=1, agreement=0.8)
    async with EdgeServer(EdgeConfig(port=0, reflection=False), lambda: ToyVlm("target", seed=1)) as edge:
        config = DeviceConfig(edge=f"127.0.0.1:{edge.port}")
        async with AsyncClient(config, draft) as python, Client(config, draft) as behind, serving(behind) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            pairs = [(await by_python(python), await by_http(reader, writer)) for _ in range(WARM_UP + questions)]
            writer.close()
    return [one for one, _ in pairs[WARM_UP:]], [other for _, other in pairs[WARM_UP:]]


def main() -> int:
    """Measure and print; the exit code."""
    _say(machine())
    for verb in VERBS:
        _say(f"device-client {' '.join((*verb, '--help')):<14} {1e3 * help_seconds(verb):.0f} ms")
    python, http = uvloop.run(first_tokens(QUESTIONS))
    for name, seconds in (("Python", python), ("endpoint", http)):
        _say(
            f"first token by {name:<9} {1e3 * median(seconds):.2f} ms, p90 {1e3 * quantiles(seconds, n=10)[-1]:.2f} ms"
        )
    added = median(other - one for one, other in zip(python, http, strict=True))
    _say(f"the endpoint adds {1e3 * added:.2f} ms")
    return 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
