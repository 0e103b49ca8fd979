"""A stream never looks dead, and clients do not see what keeps it alive; an error is told in the request's words."""

from __future__ import annotations

import asyncio
import json
from time import monotonic
from typing import Any

import httpx2
import openai
import pytest

from device_client.endpoint.limits import in_its_words
from device_client.endpoint.reading import read_request
from shared.errors import CovspecError, EngineFailure, InvalidValue, Overloaded, PromptTooLong
from tests.support.endpoint import endpoint, raw
from tests.support.hostile_edge import HostileEdge
from tests.support.system import counted_target, edge, eventually
from tests.support.toys import Steps

CHAT = "/v1/chat/completions"
HELLO: Any = [{"role": "user", "content": "hello?"}]


async def test_a_stream_begins_long_before_its_first_word_and_clients_do_not_notice() -> None:
    steps = Steps()
    asked: dict[str, Any] = {"model": "target", "messages": HELLO, "stream": True}
    async with (
        edge(lambda: counted_target(steps)) as server,
        endpoint(f"127.0.0.1:{server.port}") as served,
        served.openai() as client,
        httpx2.AsyncClient() as http,
    ):
        steps.hold()
        began = monotonic()
        async with http.stream("POST", served.url + CHAT, json=asked) as response:
            assert response.status_code == 200
            lines = response.aiter_lines()
            first = await anext(lines)
            waited = monotonic() - began
            stream = await client.chat.completions.create(**asked)  # has its head already
            steps.let_go()
            rest = [line async for line in lines]
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        whole = await client.chat.completions.create(model="target", messages=HELLO)
    assert first.startswith(":")
    assert waited < 3
    assert rest[-2] == "data: [DONE]"
    assert all(line.startswith(("data: ", ":")) or not line for line in rest)
    assert text == whole.choices[0].message.content


async def test_a_stream_that_is_left_before_its_first_word_leaves_nothing() -> None:
    steps = Steps()
    async with edge(lambda: counted_target(steps)) as server, endpoint(f"127.0.0.1:{server.port}") as served:
        steps.hold()
        asking = asyncio.create_task(raw(served.url, CHAT, {"messages": HELLO, "stream": True}))
        await eventually(lambda: server.sessions, 1)
        asking.cancel()
        steps.let_go()
        await eventually(lambda: (server.sessions, server.places), (0, 0))
        told = json.loads((await raw(served.url, "/health"))[2])
        assert (told["running"], told["waiting"]) == (0, 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_edge_that_dies_in_mid_answer_is_told_in_a_sentence(stream: bool) -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served:
        endless = {"messages": HELLO, "stream": stream, "ignore_eos": True}
        asking = asyncio.create_task(raw(served.url, CHAT, endless))
        await eventually(lambda: served.device.traffic.down.payload > 200)
        await server.__aexit__()
        status, _, body = await asking
    last = [line for line in body.splitlines() if line.startswith(b"data: ")][-1][6:] if stream else body
    error = json.loads(last)["error"]
    assert status == (200 if stream else 503)
    assert error["code"] == "edge_unavailable"
    assert f"edge 127.0.0.1:{server.port}" in error["message"]
    assert ("not complete" in error["message"]) == stream
    assert "grpc" not in error["message"].lower()


REQUEST = read_request(
    json.dumps(
        {
            "messages": [
                {"role": "system", "content": "be brief"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what"},
                        {"type": "image_url", "image_url": {"url": "data:,a"}},
                        {"type": "image_url", "image_url": "data:,b"},
                        "?",
                    ],
                },
            ]
        }
    ).encode(),
    8,
)


@pytest.mark.parametrize(
    ("said", "param", "sentence"),
    [
        ("open.messages[0].parts[0].text is 'x': no", "messages[0].content", "messages[0].content is 'x': no"),
        ("open.messages[1].parts[0].text is", "messages[1].content[0].text", "messages[1].content[0].text is"),
        (
            "open.messages[1].parts[2].image is",
            "messages[1].content[2].image_url",
            "messages[1].content[2].image_url is",
        ),
        ("open.messages[1].parts[3].text is", "messages[1].content[3]", "messages[1].content[3] is"),
        ("open.messages[1].role is", "messages[1].role", "messages[1].role is"),
        ("open.messages[9].parts[9].text is", "messages", "messages is"),
        ("open.messages is 9 bytes", "messages", "messages is 9 bytes"),
        ("open.images[0] is", "messages[1].content[1].image_url.url", "messages[1].content[1].image_url.url is"),
        ("open.images[1].size is", "messages[1].content[2].image_url", "messages[1].content[2].image_url is"),
        ("open.images is 9 pictures", "messages", "messages is 9 pictures"),
        ("open.sampling.stop_ids[3] is", "stop_token_ids[3]", "stop_token_ids[3] is"),
        ("open.sampling.temperature is", "temperature", "temperature is"),
        ("messages is roles: the template refuses them", "messages", "messages is roles: the template refuses them"),
        ("logit_bias is 9000: too high", "logit_bias", "logit_bias is 9000: too high"),
        ("picture 1 is odd", "messages[1].content[2].image_url", "messages[1].content[2].image_url is odd"),
        ("something else", None, "something else"),
    ],
)
def test_what_an_edge_says_is_told_in_the_words_of_the_request(said: str, param: str | None, sentence: str) -> None:
    assert in_its_words(said, REQUEST.turns) == (param, sentence)


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (InvalidValue("open.messages[0].parts[0].text", "x", "no"), 400, None),
        (PromptTooLong("prompt", 9, "too long"), 400, None),
        (Overloaded("full", 3.0), 503, "3"),
        (Overloaded("too large for me"), 503, None),
        (EngineFailure("it broke"), 502, None),
    ],
)
async def test_only_an_edge_that_is_full_says_when_to_come_again(
    error: CovspecError, status: int, retry: str | None
) -> None:
    async with HostileEdge([error]) as hostile, endpoint(f"127.0.0.1:{hostile.port}") as served:
        said, headers, body = await raw(served.url, CHAT, {"messages": HELLO})
    assert (said, headers.get("retry-after")) == (status, retry)
    assert "open." not in json.loads(body)["error"]["message"]


async def test_a_device_that_does_not_fit_its_edge_is_not_the_clients_fault() -> None:
    async with edge(max_window=4) as server, endpoint(f"127.0.0.1:{server.port}") as served, served.openai() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="target", messages=HELLO)
    assert (caught.value.status_code, caught.value.code, caught.value.param) == (502, "edge_error", None)
