"""Pictures from addresses: what servers do badly is a sentence, in its time and bytes, and holds up nobody else."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from time import monotonic

import pytest

from device_client.fetching import Fetcher, fetched, shown
from shared.errors import CovspecError, ImageError, Overloaded
from tests.support.endpoint import endpoint, raw
from tests.support.hostile_http import moved, ok, web
from tests.support.system import a_picture, edge, eventually

CHAT = "/v1/chat/completions"
DATA = a_picture(seed=1, side=20)
BOMB = zlib.compress(bytes(50_000_000))
MOST = 1_000_000


async def fetch(url: str, seconds: float = 5.0) -> bytes:
    return await Fetcher(seconds).fetch(url, "the field", MOST)


@pytest.mark.parametrize(
    "answer",
    [
        ok(DATA),
        ok(gzip.compress(DATA), "content-encoding: gzip"),
        ok(zlib.compress(DATA), "content-encoding: Deflate"),
        b"HTTP/1.1 200 OK\r\n\r\n" + DATA,
        b"HTTP/1.0 200 OK\r\n\r\n" + DATA,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + f"{len(DATA):x}\r\n".encode()
        + DATA
        + b"\r\n0\r\n\r\n",
    ],
)
async def test_a_picture_comes_as_it_is(answer: bytes) -> None:
    async with web(answer) as server:
        assert await fetch(f"{server.url}/a b/\N{LATIN SMALL LETTER U WITH DIAERESIS}.png?\u6f22") == DATA
    assert server.asked[0].startswith(b"GET /a%20b/%C3%BC.png?%E6%BC%A2 HTTP/1.1\r\n")
    assert b"user-agent: covspec/" in server.asked[0].lower()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "breaks off"),
        (b"220 mail.example ESMTP\r\n", "speaks no HTTP"),
        (b"\x16\x03\x01\x00\x01\xff" * 20, "speaks no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000, "speaks no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nabc", "breaks off"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n", "breaks off"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabcde\r\n", "breaks off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "breaks off"),
        (b"HTTP/1.1 302 Found\r\nlocation: \xff\xff://\r\ncontent-length: 0\r\n\r\n", "cannot be fetched"),
        (ok(b"", status="404 Not Found"), "status 404"),
        (ok(b"", status="304 Not Modified"), "status 304"),
        (ok(bytes(MOST + 1)), "larger than"),
        (ok(BOMB, "content-encoding: deflate"), "larger than"),
        (ok(gzip.compress(DATA)[:-9], "content-encoding: gzip"), "breaks off"),
        (ok(b"no gzip", "content-encoding: gzip"), "broken way"),
        (ok(b"x", "content-encoding: br"), "coding"),
        (ok(b"x", "content-encoding: gzip, gzip"), "coding"),
        (moved("http://10.0.0.1/"), "not called from here"),
        (moved("http://localhost:1/"), "not called from here"),
        (moved("http://[::ffff:127.0.0.1]/"), "not called from here"),
        (moved("http://169.254.169.254/latest"), "not called from here"),
        (moved("file:///etc/passwd"), "no address of http"),
        (moved("/round"), "more than 3 times"),
    ],
)
async def test_what_a_server_does_badly_is_a_sentence(answer: bytes, words: str) -> None:
    async with web(answer) as server:
        with pytest.raises(ImageError, match=words) as caught:
            await fetch(f"http://me:secret@{server.url.removeprefix('http://')}/x?key=secret")
    assert caught.value.field == "the field"
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://",
            "http:///x",
            "http://[::1/x",
            "http://host:99999/",
            "http://host:abc/",
            "http://a b/",
            "http://\x00/",
        ),
        *(
            "http://" + "a" * 300 + "/",
            "http://\ud800/",
            "http://127.0.0.1/\ud800",
            "http://xn--\u200d/",
            "http://.../",
        ),
        *("http://169.254.169.254/", "http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://me:secret@", "http://@/"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_sentence_for_ordinary_code(url: str) -> None:
    with pytest.raises(ImageError) as caught:
        fetched(url, "picture", MOST)
    str(caught.value).encode()
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 250


async def test_ordinary_code_may_fetch_beside_an_event_loop() -> None:
    async with web(ok(DATA)) as server:
        assert await asyncio.to_thread(fetched, server.url, "picture", MOST) == DATA
    with pytest.raises(ImageError):
        fetched(server.url, "picture", MOST)


async def test_a_server_may_send_on_to_itself() -> None:
    async with web(lambda head: ok(DATA) if head.startswith(b"GET /b ") else moved("/b")) as server:
        assert await fetch(f"{server.url}/a") == DATA
    assert len(server.asked) == 2


@pytest.mark.parametrize("answer", [ok(DATA), b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000, moved("/again")])
async def test_a_server_that_drips_is_left_after_the_time_of_a_whole_fetch(answer: bytes) -> None:
    async with web(answer, drip=0.05) as server:
        begin = monotonic()
        with pytest.raises(ImageError, match=r"did not arrive within 0\.3 s"):
            await fetch(server.url, 0.3)
        assert monotonic() - begin < 3
        await eventually(lambda: server.open, 0)


async def test_no_more_are_fetched_at_once_than_may_be() -> None:
    async with web(ok(DATA), drip=0.05) as server:
        fetcher = Fetcher(0.5, at_once=3)
        results = await asyncio.gather(
            *(fetcher.fetch(server.url, "it", MOST) for _ in range(5)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in results) == ["ImageError"] * 3 + ["Overloaded"] * 2
    assert all(isinstance(each, CovspecError) for each in results)


async def test_who_counts_the_bytes_may_refuse_more() -> None:
    def take(count: int) -> None:
        raise Overloaded("full", 1.0)

    async with web(ok(DATA)) as server:
        with pytest.raises(Overloaded):
            await Fetcher().fetch(server.url, "it", MOST, take)


async def test_what_the_environment_names_as_proxy_is_asked_but_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(head: bytes) -> bytes:
        return moved("http://10.0.0.1/") if b"/away " in head else ok(DATA)

    async with web(answer) as proxy, web(ok(DATA)) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert await fetch("http://pictures.example/x.png") == DATA
        assert proxy.asked[0].startswith(b"GET http://pictures.example/x.png HTTP/1.1\r\n")
        assert await fetch(server.url) == DATA
        with pytest.raises(ImageError, match="not called from here"):
            await fetch("http://pictures.example/away")
    assert (len(proxy.asked), len(server.asked)) == (2, 1)


async def test_what_is_packed_well_is_unpacked_little_by_little() -> None:
    pieces: list[int] = []
    async with web(ok(BOMB, "content-encoding: deflate")) as server:
        with pytest.raises(ImageError):
            await Fetcher().fetch(server.url, "it", MOST, pieces.append)
    assert max(pieces) <= 2**16
    assert sum(pieces) <= MOST + 2**16


def test_what_is_shown_of_an_address_is_no_secret() -> None:
    assert shown("http://me:secret@host:81/a%20b?key=secret#x") == "http://host:81/a b"
    assert shown("http://me:secret@[::1/secret") == "a URL"


async def test_dripping_addresses_hold_up_nobody_at_the_endpoint() -> None:
    def asking(url: str | None) -> dict[str, object]:
        parts: list[object] = [{"type": "text", "text": "hello?"}]
        parts += [] if url is None else [{"type": "image_url", "image_url": {"url": url}}]
        return {"model": "target", "messages": [{"role": "user", "content": parts}], "max_tokens": 2}

    async with (
        edge() as server,
        web(ok(DATA), drip=0.5) as slow,
        web(ok(DATA)) as quick,
        endpoint(f"127.0.0.1:{server.port}", fetcher=Fetcher(60.0), allow_url=True) as one,
    ):
        dripping = [asyncio.create_task(raw(one.url, CHAT, asking(slow.url))) for _ in range(24)]
        await eventually(lambda: slow.open, 24)
        begin = monotonic()
        assert (await raw(one.url, CHAT, asking(None)))[0] == 200
        assert (await raw(one.url, CHAT, asking(quick.url)))[0] == 200
        assert (await raw(one.url, "/health"))[0] == 200
        assert monotonic() - begin < 4
        for task in dripping:
            task.cancel()
        await asyncio.gather(*dripping, return_exceptions=True)
        await eventually(lambda: slow.open, 0)  # nobody waits for them any more


async def test_a_url_that_fails_is_refused_by_its_path() -> None:
    content = [{"type": "image_url", "image_url": {"url": "http://me:secret@127.0.0.1:1/x.png"}}]
    asked = {"model": "target", "messages": [{"role": "user", "content": content}]}
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", allow_url=True) as one:
        status, _, body = await raw(one.url, CHAT, asked)
    assert status == 400
    assert b'"param":"messages[0].content[0].image_url.url"' in body
    assert b"cannot be fetched" in body
    assert b"secret" not in body
