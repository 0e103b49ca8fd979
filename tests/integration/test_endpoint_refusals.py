"""What the endpoint refuses: each with a status, OpenAI's form, and the name of the field."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from shared.speculation.messages import Commit
from shared.wire.codec import FromEdge
from tests.support.endpoint import Served, endpoint, raw
from tests.support.hostile_edge import OPENED, HostileEdge
from tests.support.system import a_picture, edge

CHAT = "/v1/chat/completions"
HELLO: list[Any] = [{"role": "user", "content": "hello?"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", max_body_mib=0.01) as one:
        yield one


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "target", "messages": HELLO, "max_tokens": 2, **fields}


def image(url: str) -> list[Any]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


def told(body: bytes) -> dict[str, Any]:
    error = json.loads(body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return error  # type: ignore[no-any-return]


PICTURE = "data:image/png;base64," + base64.b64encode(a_picture(seed=1, side=20)).decode()
TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
AUDIO: list[Any] = [
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"response_format": SCHEMA}, "response_format"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"top_logprobs": 3, "logprobs": True}, "top_logprobs"),
        ({"messages": AUDIO}, "messages[0].content[0].type"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [TOOL]}]}, "messages[0].tool_calls"),
        ({"messages": image("http://u:secret@127.0.0.1:9/picture.png")}, "messages[0].content[0].image_url.url"),
        ({"stream_options": {"continuous_usage_stats": True}}, "stream_options.continuous_usage_stats"),
        ({"messages": [{"role": "assistant", "content": "x", "prefix": True}]}, "messages[0].prefix"),
        ({"messages": [{"role": "assistant", "refusal": "no"}]}, "messages[0].refusal"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"top_a": 0.2}, "top_a"),
        ({"mirostat": 1, "mirostat_eta": 0.1}, "mirostat"),
        ({"enable_thinking": True}, "enable_thinking"),
        ({"messages": [{"role": "assistant", "content": "x", "partial": True}]}, "messages[0].partial"),
        ({"chat_template_kwargs": {"a": 1}}, "chat_template_kwargs"),
        ({"min_tokens": 3}, "min_tokens"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "tools"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(served: Served, fields: dict[str, Any], param: str) -> None:
    status, _, body = await raw(served.url, CHAT, asked(**fields))
    error = told(body)
    assert (status, error["type"], error["code"]) == (400, "invalid_request_error", "unsupported")
    assert error["param"] == param
    assert "secret" not in error["message"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"min_p": 2}, "min_p"),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"seed": 2**64}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": [3]}, "stop[0]"),
        ({"logit_bias": {"seventy": 1}}, "logit_bias"),
        ({"logit_bias": {"70": 101}}, "logit_bias"),
        ({"logit_bias": []}, "logit_bias"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 3}, "stream_options"),
        ({"tempreature": 1}, "tempreature"),
        ({"plugins": [{"id": "web"}]}, "plugins"),
        ({"feature": False}, "feature"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content"),
        ({"messages": image("data:image/png;base64,!!!")}, "messages[0].content[0].image_url.url"),
        ({"messages": image("data:image/png;base64,aGVsbG8=")}, "messages[0].content[0].image_url.url"),
        ({"messages": image("file:///etc/passwd")}, "messages[0].content[0].image_url.url"),
        ({"messages": image("README.md")}, "messages[0].content[0].image_url.url"),
        ({"messages": image("data:image/png;base64,aGVsbG8=") * 9}, "messages"),
        ({"model": 3}, "model"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": "x" * 257}, "stop"),
        ({"stop": ["\ud800"]}, "stop[0]"),
        ({"logit_bias": {"7" * 5000: 1}}, "logit_bias"),
        ({"logit_bias": {"7": 1, "07": 1}}, "logit_bias"),
        ({"stream_options": {"include_usages": True}}, "stream_options.include_usages"),
        ({"messages": [{"role": "user", "content": "x", "nmae": "y"}]}, "messages[0].nmae"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "txt": "y"}]}]}, "messages[0].content[0].txt"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ],
)
async def test_what_is_wrong_is_refused_with_its_field(served: Served, fields: dict[str, Any], param: str) -> None:
    status, _, body = await raw(served.url, CHAT, asked(**fields))
    error = told(body)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_asks_for_nothing_is_taken(served: Served) -> None:
    nothing: dict[str, Any] = {"tools": None, "tool_choice": "auto", "response_format": {"type": "text"}, "user": "me"}
    nothing |= {
        "store": False,
        "metadata": {"a": "b"},
        "top_logprobs": 0,
        "modalities": ["text"],
        "seed": -1,
        "stream_options": None,
        "reasoning_effort": "high",
        "max_tokens": 2.0,
        "continue_final_message": False,
        "chat_template_kwargs": {},
        "min_tokens": 0,
        "guided_json": None,
        "no_such_field": None,
    }
    nothing |= {"plugins": [], "bad_words": [], "extra_body": {}, "features": {}, "format": "", "top_a": 0, "tfs_z": 1}
    nothing |= {"mirostat": 0, "mirostat_eta": 0.1, "dry_multiplier": 0.0, "dry_base": 1.75, "include_reasoning": True}
    nothing |= {"timings_per_token": False, "enable_thinking": False, "thinking": {"type": "disabled"}}
    messages: list[Any] = [
        {"role": "user", "content": ["hello?", {"type": "text", "text": "you"}], "name": "me", "audio": None},
        {"role": "assistant", "content": None, "tool_calls": [], "refusal": None, "annotations": [], "partial": False},
        {"role": "assistant", "content": "", "reasoning_details": [], "images": [], "provider_specific_fields": {}},
        {"role": "assistant"},
        {"role": "user", "content": [{"type": "image_url", "image_url": PICTURE}, "and this?"]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}}]},
    ]
    nothing |= {"messages": messages}
    asking_for_tools = {"tools": [TOOL], "tool_choice": "none", "functions": [{"name": "f"}], "function_call": "none"}
    assert (await raw(served.url, CHAT, asked(**asking_for_tools)))[0] == 200
    assert (await raw(served.url, CHAT, asked(**nothing)))[0] == 200


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (CHAT, b"{", (), 400),
        (CHAT, b"[" * 9000, (), 400),
        (CHAT, b"[]", (), 400),
        (CHAT, b"\xff", (), 400),
        (CHAT, {"messages": HELLO, "max_tokens": 2}, (), 200),
        (CHAT, b"", (), 400),
        (CHAT, b"\xef\xbb\xbf" + json.dumps(asked()).encode(), (), 200),
        (CHAT, json.dumps(asked()).encode("utf-16"), (), 400),
        (CHAT, json.dumps(asked()).encode(), ("content-encoding: gzip",), 400),
        (CHAT, b'{"a\x00": 1}', (), 400),
        (CHAT, asked(**{"x" * 5000: 1}), (), 400),
        (CHAT, asked(**{"\ud800": 1}), (), 400),
        (CHAT, asked(model="gpt-5"), (), 404),
        (CHAT, asked(model="\udc00"), (), 400),
        (CHAT, asked(user="x" * 20_000), (), 413),
        (CHAT, None, (), 405),
        ("/v1/completions", asked(), (), 404),
        ("/v1/models/no/such", None, (), 404),
        ("/nowhere", None, (), 404),
        ("/" + "x" * 5000, None, (), 404),
        ("/%ff%00%0a", None, (), 404),
        ("/v1/models/", None, (), 200),
        ("/v1/chat/completions/", asked(), (), 200),
        ("/v1/models", None, ("host: evil.example",), 400),
    ],
)
async def test_other_requests_get_a_status(
    served: Served, path: str, body: Any, headers: tuple[str, ...], status: int
) -> None:
    said, _, reply = await raw(served.url, path, body, *headers)
    assert said == status
    if status != 200:
        assert len(told(reply)["message"]) < 600


@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_in_a_browser_cannot_ask_without_asking_first(served: Served) -> None:
    data = json.dumps(asked()).encode()
    status, _, body = await raw(served.url, CHAT, data, "content-type: text/plain")
    assert (status, told(body)["param"]) == (400, "content-type")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_prompt_that_is_too_long_has_openais_code() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as one:
        status, _, body = await raw(one.url, CHAT, asked(messages=[{"role": "user", "content": "word " * 5000}]))
    assert (status, told(body)["code"]) == (400, "context_length_exceeded")


async def test_without_the_key_nobody_comes_in() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", api_key="s3cret") as served:
        for headers in (
            (),
            ("authorization: Bearer wrong",),
            ("authorization: s3cret",),
            ("authorization: Basic s3cret",),
        ):
            for path, body in ((CHAT, asked()), ("/v1/models", None), ("/metrics", None)):
                status, said, reply = await raw(served.url, path, body, *headers)
                assert (status, told(reply)["code"]) == (401, "invalid_api_key")
                assert said["www-authenticate"] == "Bearer"
        assert (await raw(served.url, CHAT, asked(), "authorization: Bearer s3cret"))[0] == 200
        assert (await raw(served.url, "/health"))[0] == 200
        async with served.openai("s3cret") as client:
            assert (await client.models.list()).data


async def test_urls_are_fetched_only_with_leave() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", allow_url=True) as one:
        status, _, body = await raw(one.url, CHAT, asked(messages=image("http://127.0.0.1:1/x.png")))
    assert status == 400
    assert "cannot be fetched" in told(body)["message"]


async def test_what_breaks_after_the_first_word_ends_the_stream_with_the_error() -> None:
    script: list[FromEdge | bytes] = [OPENED, Commit(0, (40, 41), (0, 0)), b"\xff"]
    async with HostileEdge(script) as hostile, endpoint(f"127.0.0.1:{hostile.port}") as one:
        status, _, body = await raw(one.url, CHAT, asked(model="hostile", stream=True))
        whole_status, _, whole = await raw(one.url, CHAT, asked(model="hostile"))
    assert status == 200
    events = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: ")]
    assert told(events[-1])["message"]
    assert len(events) > 2
    assert b"[DONE]" not in body
    assert whole_status >= 400
    assert told(whole)
