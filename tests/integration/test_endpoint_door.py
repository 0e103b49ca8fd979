"""Which names the endpoint answers to, and what it says about routes that it has and has not."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.endpoint import endpoint, raw
from tests.support.hostile_edge import HostileEdge
from tests.support.system import edge

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("options", "host", "status"),
    [
        ({}, "127.0.0.1", 200),
        ({}, "LOCALHOST.:8000", 200),
        ({}, "[::1]:8000", 200),
        ({}, "127.1.2.3", 200),
        ({}, "evil.example", 400),
        ({}, "evil.example:8000", 400),
        ({}, "localhost.evil.example", 400),
        ({}, "127.0.0.1.evil.example", 400),
        ({}, "192.168.1.5", 400),
        ({}, "x" * 5000, 400),
        ({}, "\u0085\u2028", 400),
        ({"allowed_hosts": ("chat.example",)}, "chat.example", 200),
        ({"allowed_hosts": ("chat.example",)}, "Chat.Example:443", 200),
        ({"allowed_hosts": ("chat.example",)}, "www.chat.example", 400),
        ({"allowed_hosts": ("chat.example",)}, "localhost", 200),
        ({"allowed_hosts": ("*.chat.example",)}, "www.chat.example", 200),
        ({"allowed_hosts": ("*.chat.example",)}, "evilchat.example", 400),
        ({"allowed_hosts": ("*",)}, "anything", 200),
        ({"api_key": "s3cret"}, "chat.example", 200),
        ({"api_key": "s3cret", "allowed_hosts": ("chat.example",)}, "evil.example", 400),
    ],
)
async def test_hosts_that_are_ours_are_answered(options: dict[str, object], host: str, status: int) -> None:
    async with HostileEdge([]) as behind, endpoint(f"127.0.0.1:{behind.port}", **options) as served:  # type: ignore[arg-type]
        said, _, body = await raw(served.url, "/health", None, f"host: {host}")
    assert said == status
    if status != 200:
        error = json.loads(body)["error"]
        assert (error["param"], error["code"]) == ("host", "host_not_allowed")
        assert "--allowed-hosts" in error["message"]
        assert len(error["message"]) < 250


async def sent(url: str, method: str, path: str, *headers: str) -> tuple[int, dict[str, str], bytes]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", *headers]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in rest), body


async def test_a_route_tells_which_methods_it_has() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", api_key="s3cret") as served:
        key = "authorization: Bearer s3cret"
        for path, method in ((CHAT, "POST"), ("/v1/models", "GET"), ("/v1/models/x", "GET"), ("/health", "GET")):
            status, headers, body = await sent(served.url, "OPTIONS", path)
            assert (status, body) == (204, b"")
            assert {method, "OPTIONS"} <= set(headers["allow"].upper().split(", "))
            for other in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {method}:
                status, headers, body = await sent(served.url, other, path, key)
                assert status == 405
                assert method.lower() in headers["allow"]
                assert method in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/completions", "/v1/responses", "/chat/completions", "//v1/models"])
async def test_a_path_that_is_not_here_is_told_what_is(path: str) -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served:
        status, _, body = await sent(served.url, "GET", path)
    assert status == 404
    assert CHAT in json.loads(body)["error"]["message"]


async def test_of_two_keys_none_counts() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", api_key="s3cret") as served:
        two = ("authorization: Bearer wrong", "authorization: Bearer s3cret")
        assert (await sent(served.url, "GET", "/v1/models", *two))[0] == 401
        assert (await sent(served.url, "GET", "/v1/models", two[1]))[0] == 200


async def test_a_model_that_is_not_served_is_told_all_that_are() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", served_model_name=("covspec",)) as served:
        asked = {"model": "gpt-5", "messages": [{"role": "user", "content": "x"}]}
        for status, _, body in (await raw(served.url, "/v1/models/gpt-5"), await raw(served.url, CHAT, asked)):
            error = json.loads(body)["error"]
            assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
            assert "target, covspec" in error["message"]
        assert [each["id"] for each in json.loads((await raw(served.url, "/v1/models/"))[2])["data"]] == [
            "target",
            "covspec",
        ]


async def test_an_edge_that_is_away_is_named_to_who_sees_the_endpoint_alone() -> None:
    async with endpoint("127.0.0.1:1") as served:
        for path, body in (
            ("/health", None),
            ("/v1/models", None),
            (CHAT, {"messages": [{"role": "user", "content": ""}]}),
        ):
            status, headers, said = await raw(served.url, path, body)
            error = json.loads(said)["error"]
            assert (status, error["code"]) == (503, "edge_unavailable")
            assert "cannot reach its edge 127.0.0.1:1" in error["message"]
            assert "--edge" not in error["message"]
            assert "retry-after" not in headers
