"""What clients cannot make the endpoint hold or wait for: slow ones, many at once, requests larger than they may be."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from time import monotonic
from typing import Any

import openai
import pytest

from tests.support.endpoint import Served, endpoint, raw
from tests.support.hostile_edge import HostileEdge
from tests.support.hostile_http import ok, web
from tests.support.system import counted_target, edge, eventually, nothing_alive
from tests.support.toys import Steps

CHAT = "/v1/chat/completions"
HELLO: Any = [{"role": "user", "content": "hello?"}]
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"


async def opened(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = served.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def dripped(served: Served, begin: bytes, drop: bytes, every: float = 0.05) -> bytes:
    """What comes back to who says `begin`, and `drop` again and again until it is hung up on."""
    reader, writer = await opened(served)

    async def drip() -> None:
        writer.write(begin)
        while True:
            await asyncio.sleep(every)
            writer.write(drop)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        dripping.cancel()
        writer.close()


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"", b"G"),
        (HEAD, b"x"),
        (HEAD, b"a: b\r\n"),
        (HEAD + b"content-length: 1000000\r\n\r\n", b" "),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1;", b"x"),
        (HEAD.replace(b"chat/completions", b"models") + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", b"G"),
    ],
)
async def test_a_request_that_never_ends_is_ended(begin: bytes, drop: bytes) -> None:
    brief: dict[str, Any] = {"head_seconds": 0.3, "request_seconds": 0.3}
    async with HostileEdge([]) as behind, endpoint(f"127.0.0.1:{behind.port}", **brief) as served:
        began = monotonic()
        said = await dripped(served, begin, drop)
        assert monotonic() - began < 9
        assert not said or b'"error"' in said or b" 200 OK" in said
        assert (await raw(served.url, "/health"))[0] == 200


async def test_a_body_that_comes_too_slowly_is_told_so() -> None:
    async with HostileEdge([]) as behind, endpoint(f"127.0.0.1:{behind.port}", request_seconds=0.3) as served:
        reader, writer = await opened(served)
        writer.write(HEAD + b"content-length: 1000\r\n\r\n")
        head = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        while not head.done():
            writer.write(b" ")
            await asyncio.sleep(0.02)
        assert (await head).startswith(b"HTTP/1.1 408 ")
        writer.write(b" ")  # goes on, and is not cut off before it can have read why
        assert json.loads(await reader.read(1000))["error"]["code"] == "request_timeout"
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    "data",
    [b"nonsense\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01" * 9 + b"\r\n\r\n", HEAD + b"x: " + b"y" * 70_000],
)
async def test_what_is_no_http_is_told_so_in_openais_form(data: bytes) -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served:
        reader, writer = await opened(served)
        writer.write(data)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "invalid_http"


async def test_connections_that_say_nothing_make_room_for_one_that_does() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", spare=8, max_waiting=4) as served:
        silent = [await opened(served) for _ in range(40)]
        for _, writer in silent[20:]:
            writer.write(HEAD + b"content-length: 9\r\n\r\n{")
        for _ in range(3):
            assert (await raw(served.url, "/health"))[0] == 200
        assert (await raw(served.url, CHAT, {"messages": HELLO, "max_tokens": 2}))[0] == 200
        await eventually(lambda: sum(reader.at_eof() for reader, _ in silent) >= len(silent) - 8 - 4 - 4)
        assert not silent[-1][0].at_eof()  # the oldest leave, those between requests first
        for _, writer in silent:
            writer.close()


@pytest.mark.parametrize("length", ["99999999", "9" * 19, "9" * 30, "9" * 5000])
async def test_a_length_that_is_too_large_is_refused_before_a_byte_comes(length: str) -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", max_body_mib=0.01) as served:
        reader, writer = await opened(served)
        writer.write(HEAD + f"content-length: {length}\r\n\r\n".encode())
        async with asyncio.timeout(10):
            line = await reader.readline()
        assert line.split()[1] in (b"413", b"400")
        writer.close()


async def test_no_more_wait_than_may_however_many_come_at_once() -> None:
    steps = Steps()
    async with (
        edge(lambda: counted_target(steps)) as server,
        endpoint(f"127.0.0.1:{server.port}", parallel=2, max_waiting=5) as served,
    ):
        steps.hold()
        burst = [asyncio.create_task(raw(served.url, CHAT, {"messages": HELLO, "max_tokens": 2})) for _ in range(60)]
        await eventually(lambda: sum(task.done() for task in burst), 53)
        assert Counter(task.result()[0] for task in burst if task.done()) == {503: 53}
        refused = next(task.result() for task in burst if task.done())
        assert int(refused[1]["retry-after"]) >= 1
        told = json.loads((await raw(served.url, "/health"))[2])
        assert (told["running"], told["waiting"]) == (2, 5)
        steps.let_go()
        assert Counter([(await task)[0] for task in burst]) == {503: 53, 200: 7}
    await nothing_alive()


async def test_all_requests_together_hold_no_more_than_may_be() -> None:
    part = b'{"a": "' + b"x" * 9000
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", max_body_mib=0.01) as served:
        slow = [await opened(served) for _ in range(4)]
        for _, writer in slow:
            writer.write(HEAD + b"content-length: 10000\r\n\r\n" + part)
            await writer.drain()
        async with asyncio.timeout(10):
            while True:
                status, headers, body = await raw(served.url, CHAT, part)
                if status == 503:
                    break
        assert json.loads(body)["error"]["code"] == "overloaded"
        assert int(headers["retry-after"]) >= 1
        assert (await raw(served.url, CHAT, {"messages": HELLO, "max_tokens": 2}))[0] == 200  # a small one fits
        for _, writer in slow:
            writer.close()
        async with asyncio.timeout(10):
            while (await raw(served.url, CHAT, part))[0] == 503:
                pass


async def test_a_text_beyond_the_edges_limit_is_no_overload() -> None:
    long = [{"role": "user", "content": "x" * 5_000_000}]
    many = [{"role": "user", "content": "x"}] * 2000
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served, served.openai() as client:
        for messages, words in ((long, "bytes of text"), (many, "messages")):
            for stream in (False, True):
                asked = {"messages": messages, "stream": stream}
                status, headers, body = await raw(served.url, CHAT, asked)
                error = json.loads(body)["error"]
                assert (status, error["param"]) == (400, "messages")
                assert words in error["message"]
                assert "retry-after" not in headers
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="target", messages=long)  # type: ignore[arg-type]


async def test_what_could_never_fit_is_not_told_to_come_again() -> None:
    async with (
        edge() as server,
        web(ok(bytes(60_000))) as large,
        endpoint(f"127.0.0.1:{server.port}", max_body_mib=0.01, parallel=1, max_waiting=1, allow_url=True) as served,
        served.openai() as client,
    ):
        status, _, body = await raw(served.url, CHAT, {"messages": HELLO, "n": 3})
        assert (status, json.loads(body)["error"]["param"]) == (400, "n")
        content = [{"type": "image_url", "image_url": {"url": large.url}}]
        status, headers, body = await raw(served.url, CHAT, {"messages": [{"role": "user", "content": content}]})
        assert (status, headers.get("retry-after")) == (413, None)
        messages: Any = [{"role": "user", "content": "x" * 3_000_000}]
        with pytest.raises(openai.APIStatusError) as caught:  # which sends all of it before it reads a word
            await client.chat.completions.create(model="target", messages=messages)
        assert caught.value.status_code == 413
        assert (await client.chat.completions.create(model="target", messages=HELLO, max_tokens=2)).choices
