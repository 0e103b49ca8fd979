"""What a person reads of an edge that is not there, at once; of one that goes away; and of proxies in between."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import device_client.__main__ as device_line
from device_client.config import DeviceConfig
from shared.command_line import run
from shared.errors import Unavailable
from tests.support.system import asked, device, drained, edge, exact, toy_draft, toy_target

VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy", "HTTP_PROXY", "all_proxy")
DRAFT = ("--draft", "toy:seed=1")


@pytest.mark.parametrize("fallback", ["wait", "error", "local"])
async def test_an_edge_that_goes_away_for_good_is_named_with_what_stands(fallback: str) -> None:
    options = {"reconnect_seconds": 0.3, "fallback": fallback}
    async with asyncio.timeout(30), AsyncExitStack() as running:
        server = await running.enter_async_context(edge(lambda: toy_target(step_seconds=0.01)))
        address = f"127.0.0.1:{server.port}"
        async with device(address, toy_draft(), **options) as client:
            answer = await client.ask(asked(max_tokens=2000, ignore_eos=True))
            pieces = answer.pieces()
            await anext(pieces)
            await running.aclose()
            with pytest.raises(Unavailable) as lost:
                await drained(pieces)
            tokens = answer.figures().tokens
    assert tokens > 0
    waited = " and did not come back in 0.3 s" if fallback != "error" else ""
    stands = "1 token stands" if tokens == 1 else f"{tokens} tokens stand"
    assert str(lost.value).startswith(f"the edge {address} went away{waited}: the answer is not complete, {stands} (")
    assert "ipv4" not in str(lost.value)


async def test_an_edge_on_this_machine_is_asked_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with edge() as server:
        for host in ("127.0.0.1", "localhost"):
            async with device(f"{host}:{server.port}", toy_draft()) as client:
                await exact(client, asked())


@pytest.mark.parametrize("name", ["grpc_proxy", "https_proxy", "http_proxy"])
async def test_a_proxy_on_the_way_to_another_machine_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://me:s3cret@127.0.0.1:9")
    async with device("edge.invalid", toy_draft(), insecure=True) as client:
        with pytest.raises(Unavailable) as refused:
            await client.info()
    said = str(refused.value)
    assert said.startswith(
        f"the edge edge.invalid cannot be reached: nothing listens at the proxy 127.0.0.1:9 ({name})"
    )
    assert "s3cret" not in said


@pytest.mark.parametrize("verb", ["ask", "chat", "doctor", "bench"])
def test_an_edge_that_is_not_there_is_told_before_the_draft_is_loaded(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["hi"] if verb == "ask" else []
    assert run(device_line.app, [verb, *words, "--edge", "127.0.0.1:1", *DRAFT]) == 1
    out, err = capsys.readouterr()
    assert "the edge 127.0.0.1:1 cannot be reached: nothing listens there" in out + err
    assert "loading" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("verb", ["ask", "chat", "doctor", "bench", "serve"])
def test_files_that_cannot_be_used_are_told_before_the_draft_is_loaded(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, nothing = ["hi"] if verb == "ask" else [], tmp_path / "nothing"
    (tmp_path / "two").write_text("two words\n")
    for option, file, said in (
        ("--tls-ca", nothing, "tls_ca is"),
        ("--tls-ca", tmp_path / "two", "holds no certificate"),
        ("--token-file", nothing, "token_file is"),
        ("--token-file", tmp_path / "two", "must hold one token"),
    ):
        assert run(device_line.app, [verb, *words, option, str(file), *DRAFT]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert "loading" not in err


def test_a_token_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    from device_client.access import Access

    (tmp_path / "token").write_text("\N{ZERO WIDTH NO-BREAK SPACE}a-token-drawn-by-chance\r\n", encoding="utf-8")
    found = Access.of(DeviceConfig(token_file=tmp_path / "token"))
    assert dict(found.metadata)["authorization"] == "Bearer a-token-drawn-by-chance"
