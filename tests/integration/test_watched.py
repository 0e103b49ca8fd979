"""What those see who watch an edge: health, metrics, the notice of a drain, the log; and what they never see."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from edge_server.service import SERVICE
from shared.errors import EngineFailure, Unavailable
from shared.logs import JsonLines
from shared.speculation.messages import Commit, Finish, Finished, FinishReason
from shared.wire.handshake import Drain, Opened, Queued
from tests.support.lab import ALICE, HOSTS, lab
from tests.support.raw_device import at, eager, opened_at, opening
from tests.support.system import (
    a_picture,
    alive,
    asked,
    counted_target,
    device,
    drained,
    edge,
    eventually,
    exact,
    nothing_alive,
    toy_draft,
    toy_target,
)
from tests.support.toys import Steps

GOODBYE = 4  # bytes of Finish(DONE), which comes after the figures


async def get(server: EdgeServer, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.metrics_port}{path}", method=method)

    def fetch() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    return await asyncio.to_thread(fetch)


async def metric(server: EdgeServer, name: str, **labels: str) -> float:
    _, text = await get(server, "/metrics")
    families = text_string_to_metric_families(text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == f"covspec_{name}" and labels.items() <= sample.labels.items()
    )


async def test_metrics_count_what_happened() -> None:
    async with edge(metrics_port=0) as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        result = await exact(client, asked("what is it?", a_picture(seed=4), max_tokens=30, ignore_eos=True))
        await eventually(lambda: server.sessions, 0)
        assert await metric(server, "generation_tokens_total") == len(result.ids) == 30
        assert await metric(server, "request_success_total", finished_reason="length") == 1
        assert await metric(server, "spec_decode_num_accepted_tokens_total") == round(
            (result.figures.accepted_per_step or 0) * result.figures.steps
        )
        assert await metric(server, "uplink_bytes_total") == result.figures.traffic.up.payload + GOODBYE
        assert await metric(server, "downlink_bytes_total") == result.figures.traffic.down.payload
        assert await metric(server, "num_requests_running", model_name="demo") == 0
        assert await metric(server, "verify_seconds_count") > 0
    await nothing_alive()


async def test_bytes_are_counted_while_an_answer_goes_on() -> None:
    async with (
        edge(metrics_port=0, max_ahead=8) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(), drafting=False) as client,
    ):
        answer = await client.ask(asked("what is it?", a_picture(seed=4), max_tokens=30, ignore_eos=True))
        pieces = answer.pieces()
        await anext(pieces)  # and as long as nobody reads on, the edge soon waits
        heard, said = await metric(server, "uplink_bytes_total"), await metric(server, "downlink_bytes_total")
        assert heard > len(a_picture(seed=4))
        assert said > 0
        assert await metric(server, "streams_total") == 0  # none has ended
        await drained(pieces)
        await eventually(lambda: server.sessions, 0)
        assert await metric(server, "downlink_bytes_total") > said
    await nothing_alive()


async def test_the_watchers_port_knows_two_requests() -> None:
    async with edge(metrics_port=0) as server:
        assert await get(server, "/health") == (200, "SERVING\n")
        assert (await get(server, "/metrics"))[0] == 200
        for path, method in (("/", "GET"), ("/metrics", "POST"), ("/metrics/../etc/passwd", "GET")):
            assert (await get(server, path, method))[0] == 404
        with pytest.raises(Unavailable, match="for metrics"):
            async with edge(metrics_port=server.metrics_port):
                pass


async def test_health_waits_until_the_model_has_answered_once() -> None:
    steps = Steps()
    steps.hold()
    server = EdgeServer(EdgeConfig(port=0, metrics_port=0, drain_seconds=0.2), lambda: counted_target(steps))
    entering = asyncio.create_task(server.__aenter__())
    await eventually(lambda: steps.count, 1)  # it answers, and is not done
    async with at(server) as raw:
        stub = health_pb2_grpc.HealthStub(raw.channel)
        asking = health_pb2.HealthCheckRequest(service=SERVICE)
        assert (await stub.Check(asking)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert (await get(server, "/health"))[0] == 503
        assert (await raw.refusal(opening())).code is grpc.StatusCode.UNAVAILABLE
        steps.let_go()
        await entering
        assert (await stub.Check(asking)).status == health_pb2.HealthCheckResponse.SERVING
        assert (await get(server, "/health"))[0] == 200
    await server.__aexit__(None, None, None)
    assert steps.count == 3  # the picture, the prompt, and the token after it
    await nothing_alive()


async def test_a_model_that_cannot_answer_is_found_before_anybody_asks() -> None:
    with pytest.raises(EngineFailure, match="the engine failed: RuntimeError"):
        async with edge(lambda: counted_target(Steps(bomb=2)), warm_up=True, metrics_port=0):
            pass
    await eventually(lambda: alive()["threads"], 0)


async def test_a_drain_tells_each_device_where_it_stands() -> None:
    config = EdgeConfig(port=0, drain_seconds=20, max_sessions=2, max_ahead=10, warm_up=False)
    server = EdgeServer(config, toy_target)
    await server.__aenter__()
    async with at(server) as raw, at(server) as other, at(server) as late:
        one, _ = await opened_at(raw, [])
        two = await other.stream(eager(opening()))
        held: list[int] = []
        while len(held) < 10:
            held += (await two.until(Commit)).ids
        waiting = await late.stream(opening())
        await waiting.until(Queued)
        leaving = asyncio.create_task(server.__aexit__(None, None, None))
        assert await one.until(Drain) == Drain(20, 1)
        assert await two.until(Drain) == Drain(20, len(held))
        assert (await waiting.refusal()).code is grpc.StatusCode.UNAVAILABLE
        for stream in (one, two):
            await stream.send(Finish(FinishReason.CANCELLED))
            await stream.until(Finished)
            assert await stream.receive() is None  # nothing follows
        await leaving
    await nothing_alive()


async def test_nothing_follows_finished_not_even_the_notice_of_a_drain() -> None:
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=20, warm_up=False), toy_target)
    await server.__aenter__()
    async with at(server) as raw, at(server) as late:
        stream = await raw.stream(eager(opening()))
        await stream.rest([])
        leaving = asyncio.create_task(server.__aexit__(None, None, None))
        while "shutting down" not in (await late.refusal(opening("?", committed=(999,)))).sentence:
            pass
        await stream.send(Finish(FinishReason.DONE))
        assert await stream.receive() is None
        await leaving
    await nothing_alive()


async def test_whoever_reflects_can_ask_without_our_stubs() -> None:
    """What `grpcurl` does: list, describe, and call with messages made from the description."""
    async with edge(reflection=True) as server, at(server) as raw:
        stub = reflection_pb2_grpc.ServerReflectionStub(raw.channel)

        async def reflected(**asking: str) -> Any:
            call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**asking)]))
            return await anext(aiter(call))

        listed = (await reflected(list_services="")).list_services_response.service
        assert SERVICE in [service.name for service in listed]
        pool = descriptor_pool.DescriptorPool()
        for data in (await reflected(file_containing_symbol=SERVICE)).file_descriptor_response.file_descriptor_proto:
            pool.Add(descriptor_pb2.FileDescriptorProto.FromString(data))
        method = pool.FindServiceByName(SERVICE).methods_by_name["GetServerInfo"]
        asks, answers = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = raw.channel.unary_unary(f"/{SERVICE}/GetServerInfo")
        info: Any = answers.FromString(await call(asks().SerializeToString()))
        assert (info.model, info.limits.max_window) == (toy_target().info.name, 32)
    async with edge(reflection=False) as server, at(server) as raw:
        stub = reflection_pb2_grpc.ServerReflectionStub(raw.channel)
        reflecting = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(reflecting))
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that a process at level info would write, as JSON lines."""
    file = io.StringIO()
    handler = logging.StreamHandler(file)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield file
    root.setLevel(level)
    root.removeHandler(handler)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_an_answer_has_one_name_on_both_ends(log: io.StringIO) -> None:
    async with edge() as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        result = await exact(client, asked("what is it?"))
        await eventually(lambda: server.sessions, 0)
    (there,) = [line for line in lines(log) if line["message"] == "stream over"]
    (here,) = [line for line in lines(log) if line["message"] == "answer over"]
    assert here["request"] == there["request"]
    assert (here["tokens"], there["tokens"]) == (len(result.ids), len(result.ids))
    assert (here["outcome"], there["outcome"], there["begun"]) == (result.reason.value, result.reason.value, "open")
    assert there["bytes_up"] == result.figures.traffic.up.payload + GOODBYE


async def test_lines_of_the_engine_name_the_answer_too(log: io.StringIO) -> None:
    steps = Steps(bomb=3)
    async with edge(lambda: counted_target(steps)) as server, at(server) as raw:
        refusal = await raw.refusal(eager(opening()))
        assert type(refusal.error) is EngineFailure
    (failed,) = [line for line in lines(log) if line["message"] == "an answer failed"]
    (over,) = [line for line in lines(log) if line["message"] == "stream over"]
    assert failed["request"] == over["request"]
    assert (failed["exception"], over["outcome"]) == ("RuntimeError", "EngineFailure")


@pytest.mark.parametrize("name", ["a b", "x" * 65, ""])
async def test_a_name_that_is_none_is_replaced_and_told(log: io.StringIO, name: str) -> None:
    async with edge() as server, at(server) as raw:
        raw._metadata = (("x-request-id", name),)
        stream = await raw.stream(opening("?", committed=(999,)))
        await stream.refusal()
        told = dict(await stream.trailing_metadata())["x-request-id"]
    (over,) = [line for line in lines(log) if line["message"] == "stream over"]
    assert (over["request"], over["outcome"]) == (told, "InvalidValue")
    assert told != name


async def test_a_whole_run_leaves_nothing_secret_in_the_log(log: io.StringIO, tmp_path: Any) -> None:
    here = lab(tmp_path)
    config = here.signed("edge", HOSTS) | {"tenants": here.tenants(alice=ALICE)}
    words, picture, secret = "xylophone quagmire", a_picture(seed=9), "a secret of the machine room"
    steps = Steps()
    text = ""
    async with edge(lambda: counted_target(steps), park_seconds=5, **config) as server:
        address = f"127.0.0.1:{server.port}"
        async with device(address, toy_draft(), tls_ca=here.ca, token=ALICE) as client:
            text = (await exact(client, asked(words, picture, stop=("quagmire",)))).text
            pieces = (await client.ask(asked(words, ignore_eos=True))).pieces()
            await anext(pieces)
            await pieces.aclose()  # cancelled
            for wrong in (b"no picture", picture[:99]):
                with pytest.raises(Exception, match="picture"):
                    await exact(client, asked(words, picture) if wrong is picture else _broken(words, wrong))
            steps.bomb = steps.count + 3
            await exact(client, asked(words, max_tokens=40, ignore_eos=True))  # it breaks, and is resumed
        async with device(address, toy_draft(), tls_ca=here.ca, token="wrong-token-of-nobody") as client:
            with pytest.raises(Exception, match="token"):
                await client.info()
    written = log.getvalue()
    assert len(text) > 10
    assert "an answer failed" in written
    for hidden in (*words.split(), text, text[:12], secret, ALICE, "wrong-token-of-nobody", picture.hex()[:16]):
        assert hidden not in written


def _broken(words: str, picture: bytes) -> Any:
    question = asked(words, a_picture(seed=1))
    return type(question)(question.messages, (picture,), question.images, question.sampling)


async def test_sessions_and_their_tokens_are_in_no_line(log: io.StringIO) -> None:
    async with edge() as server, at(server) as raw:
        stream, opened = await opened_at(raw, [])
        stream.cancel()
        await eventually(lambda: server.parked, 1)
        again = await raw.stream(_resume(opened))
        renewed = await again.until(Opened)
        await again.send(Finish(FinishReason.CANCELLED))
        await again.until(Finished)
    for name in (opened.session, opened.token, renewed.token):
        assert name.hex() not in log.getvalue()
        assert repr(name)[2:-1] not in log.getvalue()


def _resume(opened: Opened) -> Any:
    from tests.support.raw_device import resume

    return resume(opened, 1)
