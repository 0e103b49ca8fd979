"""The OpenAI endpoint with the official client, over a real edge: what comes is the target's own answer."""

from __future__ import annotations

import asyncio
import base64
import math
from functools import partial
from typing import Any

import openai
import pytest

from device_client.chat import Chat
from device_client.pictures import seen
from shared.speculation.request import SamplingWish
from shared.speculation.seeds import derived_seed
from shared.wire.ledger import Traffic
from tests.support.endpoint import endpoint, raw
from tests.support.system import (
    a_picture,
    alone,
    counted_target,
    edge,
    eventually,
    nothing_alive,
    toy_draft,
    toy_target,
)
from tests.support.toys import Steps

HELLO: Any = [{"role": "user", "content": "hello?"}]


def of_the_target(chat: Chat, **wishes: Any) -> str:
    ids = alone(toy_target(), chat.question(SamplingWish(**wishes)))
    return toy_target().tokenizer.decode(ids)


async def test_a_question_about_a_picture_gets_the_targets_answer_and_its_usage() -> None:
    data = a_picture(seed=1)
    uri = "data:image/png;base64," + base64.b64encode(data).decode()
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": "what is it?"}],
        },
    ]
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served, served.openai() as client:
        reply = await client.chat.completions.create(model="target", messages=messages, temperature=0)
    chat = Chat().with_system("Be brief.").asked("what is it?", [seen(data, "picture")])
    choice = reply.choices[0]
    assert choice.message.content == of_the_target(chat, temperature=0.0)
    assert choice.finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == len(alone(toy_target(), chat.question(SamplingWish(temperature=0.0))))
    assert reply.usage.prompt_tokens == len(
        toy_target().prepare(chat.messages, chat.question(SamplingWish()).images).ids
    )
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    details = reply.usage.completion_tokens_details
    assert details is not None
    assert details.accepted_prediction_tokens is not None
    assert details.rejected_prediction_tokens is not None
    await nothing_alive()


async def test_a_stream_says_the_same_and_ends_with_its_usage() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served, served.openai() as client:
        whole = await client.chat.completions.create(model="target", messages=HELLO, temperature=1, seed=5)
        stream = await client.chat.completions.create(
            model="target", messages=HELLO, temperature=1, seed=5, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_choices_have_seeds_of_their_own(stream: bool) -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", parallel=2) as served, served.openai() as client:
        asked: dict[str, Any] = {"model": "target", "messages": HELLO, "temperature": 1.0, "seed": 5, "n": 5}
        if stream:
            texts = [""] * 5
            async for chunk in await client.chat.completions.create(**asked, stream=True):
                for choice in chunk.choices:
                    texts[choice.index] += choice.delta.content or ""
        else:
            reply = await client.chat.completions.create(**asked)
            texts = [choice.message.content or "" for choice in reply.choices]
    chat = Chat().asked("hello?")
    assert texts == [of_the_target(chat, temperature=1.0, seed=derived_seed(5, choice, 0)) for choice in range(5)]
    assert len(set(texts)) == 5


async def test_a_later_turn_is_that_of_a_chat() -> None:
    chat = Chat().asked("hello?").answered("hi").asked("and now?")
    messages: Any = [*HELLO, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served, served.openai() as client:
        reply = await client.chat.completions.create(model="target", messages=messages, temperature=1, seed=5)
    assert reply.choices[0].message.content == of_the_target(chat, temperature=1.0, seed=5)  # of the turn


async def test_wishes_reach_the_target() -> None:
    text = of_the_target(Chat().asked("hello?"), temperature=0.0)
    stop = text[10:13]
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served, served.openai() as client:

        async def says(**wishes: Any) -> Any:
            return (await client.chat.completions.create(model="target", messages=HELLO, **wishes)).choices[0]

        cut = await says(temperature=0, stop=[stop])
        assert (cut.message.content, cut.finish_reason) == (text[: text.index(stop)], "stop")
        short = await says(temperature=0, max_completion_tokens=3)
        assert short.finish_reason == "length"
        assert text.startswith(short.message.content)
        wishes: dict[str, Any] = {"frequency_penalty": 1.0, "presence_penalty": 0.5, "top_p": 0.9, "seed": 3}
        masks: dict[str, Any] = {"top_k": 5, "min_p": 0.01, "repetition_penalty": 1.1}
        masked = await says(temperature=1.2, logit_bias={"70": 4}, **wishes, extra_body=masks)
        expected = of_the_target(Chat().asked("hello?"), temperature=1.2, logit_bias=((70, 4.0),), **wishes, **masks)
        assert masked.message.content == expected


@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_come_with_the_tokens_they_are_of(stream: bool) -> None:
    asked: dict[str, Any] = {"model": "target", "messages": HELLO, "temperature": 1.0, "seed": 2, "logprobs": True}
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served, served.openai() as client:
        plain = await client.chat.completions.create(**{**asked, "logprobs": None})
        if stream:
            told: list[Any] = []
            async for chunk in await client.chat.completions.create(**asked, stream=True):
                logprobs = chunk.choices[0].logprobs
                content = (logprobs.content if logprobs else None) or []
                assert "".join(each.token for each in content) == (chunk.choices[0].delta.content or "")
                told += content
        else:
            reply = await client.chat.completions.create(**asked)
            assert reply.choices[0].logprobs is not None
            told = reply.choices[0].logprobs.content or []
    assert plain.choices[0].logprobs is None
    assert "".join(each.token for each in told) == plain.choices[0].message.content
    assert plain.usage is not None
    assert len(told) == plain.usage.completion_tokens
    assert all(-math.inf < each.logprob <= 0 for each in told)


async def test_a_client_that_goes_away_ends_its_answers_at_the_edge() -> None:
    steps = Steps()
    async with (
        edge(lambda: counted_target(steps)) as server,
        endpoint(f"127.0.0.1:{server.port}", parallel=2) as served,
        served.openai() as client,
    ):
        endless: dict[str, Any] = {"model": "target", "messages": HELLO, "extra_body": {"ignore_eos": True}}
        stream = await client.chat.completions.create(**endless, stream=True)
        await anext(aiter(stream))
        await stream.close()
        await eventually(lambda: (server.sessions, server.places), (0, 0))
        asking = asyncio.create_task(client.chat.completions.create(**endless, n=4))  # two of them wait in line
        await eventually(lambda: server.sessions, 2)
        asking.cancel()
        await eventually(lambda: (server.sessions, server.places), (0, 0))
        metrics = ""
        async with asyncio.timeout(20):  # the edge may know sooner than the device's own count
            while 'covspec_device_answers_total{end="cancelled"} 3.0' not in metrics:
                metrics = (await raw(served.url, "/metrics"))[2].decode()
        assert "covspec_device_answers_running 0.0" in metrics
        assert "covspec_device_answers_waiting 0.0" in metrics
    await nothing_alive()


async def test_many_at_once_are_all_answered_exactly() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}", parallel=3) as served, served.openai() as client:

        async def ask(number: int) -> str | None:
            messages: Any = [{"role": "user", "content": f"question {number}"}]
            reply = await client.chat.completions.create(model="target", messages=messages, temperature=0)
            return reply.choices[0].message.content

        said = await asyncio.gather(*(ask(number) for number in range(12)))
    assert said == [of_the_target(Chat().asked(f"question {number}"), temperature=0.0) for number in range(12)]


async def test_the_thirteenth_is_told_to_come_again() -> None:
    steps = Steps()
    async with (
        edge(lambda: counted_target(steps)) as server,
        endpoint(f"127.0.0.1:{server.port}", parallel=1, max_waiting=1) as served,
        served.openai() as client,
    ):
        steps.hold()
        first, second = (
            asyncio.create_task(client.chat.completions.create(model="target", messages=HELLO)) for _ in range(2)
        )
        await eventually(lambda: server.sessions, 1)

        async def waiting() -> bool:
            return b"answers_waiting 1.0" in (await raw(served.url, "/metrics"))[2]

        while not await waiting():
            pass
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="target", messages=HELLO)
        assert caught.value.status_code == 503
        assert caught.value.code == "overloaded"
        assert int(caught.value.response.headers["retry-after"]) >= 1
        steps.let_go()
        await asyncio.gather(first, second)


def counted(traffic: Traffic) -> dict[str, float]:
    return {"up": traffic.up.payload, "down": traffic.down.payload}


async def test_bytes_are_counted_while_an_answer_goes_on_and_when_it_is_left() -> None:
    steps = Steps()
    async with edge(lambda: counted_target(steps)) as server, endpoint(f"127.0.0.1:{server.port}") as served:

        async def moved() -> dict[str, float]:
            said = (await raw(served.url, "/metrics"))[2].decode()
            lines = [line for line in said.splitlines() if line.startswith("covspec_device_link_bytes_total")]
            return {line.partition('direction="')[2].partition('"')[0]: float(line.split()[-1]) for line in lines}

        assert await moved() == {"up": 0, "down": 0}
        steps.hold()
        async with served.openai() as client:
            asking = asyncio.create_task(client.chat.completions.create(model="target", messages=HELLO))
            await eventually(lambda: steps.count > 0)
            async with asyncio.timeout(20):
                while not min((await moved()).values()):  # the answer is opened, and held
                    pass
            asking.cancel()
            steps.let_go()
        await eventually(lambda: (server.sessions, server.places), (0, 0))
        async with asyncio.timeout(20):  # the last word of the edge may still be on its way
            while (said := await moved()) != counted(served.device.traffic):
                pass
        assert min(said.values()) > 0
    await nothing_alive()


async def test_models_health_and_metrics() -> None:
    async with (
        edge() as server,
        endpoint(f"127.0.0.1:{server.port}", served_model_name=("gpt-4o",)) as served,
        served.openai() as client,
    ):
        assert [model.id for model in (await client.models.list()).data] == ["target", "gpt-4o"]
        assert (await client.models.retrieve("gpt-4o")).owned_by == "covspec"
        reply = await client.chat.completions.create(model="gpt-4o", messages=HELLO)
        assert reply.model == "gpt-4o"
        assert (await raw(served.url, "/health"))[0] == 200
        metrics = (await raw(served.url, "/metrics"))[2].decode()
        assert 'covspec_device_answers_total{end="eos"} 1.0' in metrics
        assert reply.usage is not None
        assert f'covspec_device_tokens_total{{kind="answer"}} {float(reply.usage.completion_tokens)}' in metrics
        assert "covspec_device_first_token_seconds_count 1.0" in metrics


async def test_an_edge_that_is_away_is_told_and_forgotten() -> None:
    async with edge() as server, endpoint(f"127.0.0.1:{server.port}") as served, served.openai() as client:
        await client.chat.completions.create(model="target", messages=HELLO)
        port = server.port
        await server.__aexit__()
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="target", messages=HELLO)
        assert (caught.value.status_code, caught.value.code) == (503, "edge_unavailable")
        assert (await raw(served.url, "/health"))[0] == 503
        async with edge(partial(toy_draft, 0.8), port=port):  # another model in its place

            async def back() -> bool:
                return (await raw(served.url, "/health"))[0] == 200

            while not await back():
                pass
            assert [model.id for model in (await client.models.list()).data] == ["draft"]
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="target", messages=HELLO)
            await client.chat.completions.create(model="draft", messages=HELLO)
