"""An edge loads, serves, drains and goes; nothing of it stays, however it ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from device_client.link import connect, server_info
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer, serve
from edge_server.service import SERVICE
from shared.errors import EngineFailure, ModelError, Unavailable
from shared.speculation.messages import Commit, Propose
from shared.vlm.port import Vlm
from shared.wire.handshake import Opened
from tests.support.raw_device import RawDevice, at, eager, opening, resume
from tests.support.system import (
    a_picture,
    alive,
    alone,
    asked,
    counted_target,
    device,
    edge,
    eventually,
    exact,
    nothing_alive,
    toy_draft,
    toy_target,
)
from tests.support.toys import Steps

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def until_health(device: RawDevice, status: int) -> None:
    async with asyncio.timeout(20):
        while await health(device) != status:
            pass


async def health(device: RawDevice, service: str = SERVICE) -> int:
    stub = health_pb2_grpc.HealthStub(device.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), wait_for_ready=True, timeout=20)
    status: int = answer.status
    return status


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def loading(load: Callable[[], Vlm]) -> AsyncIterator[tuple[EdgeServer, asyncio.Task[EdgeServer]]]:
    """An edge that listens and loads, and the task that waits for it."""
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=0.2), load)
    entering = asyncio.create_task(server.__aenter__())
    await eventually(lambda: server.port > 0)
    yield server, entering


async def test_while_the_model_loads_health_and_refusals_say_so() -> None:
    loaded = threading.Event()

    def slowly() -> Vlm:
        loaded.wait(20)
        return toy_target()

    async with loading(slowly) as (server, entering), at(server) as device:
        assert await health(device) == NOT_SERVING
        assert await health(device, "") == NOT_SERVING
        refusal = await device.refusal(opening())
        assert refusal.code is grpc.StatusCode.UNAVAILABLE
        assert refusal.sentence == "the edge is loading its model; try again in a moment"
        channel = connect(f"127.0.0.1:{server.port}")
        with pytest.raises(Unavailable, match="loading its model"):
            await server_info(channel)
        await channel.close()
        loaded.set()
        await entering
        assert await health(device) == SERVING
        assert await health(device, "") == SERVING
        await server.__aexit__(None, None, None)
    await nothing_alive()


async def test_an_edge_tells_the_context_of_its_model() -> None:
    target = toy_target(context_length=100_000)
    async with edge(lambda: target) as server:
        channel = connect(f"127.0.0.1:{server.port}")
        assert (await server_info(channel)).limits.context_length == 100_000
        await channel.close()
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            await exact(client, asked("word " * 5000, max_tokens=20), target)


async def test_health_answers_during_a_forward() -> None:
    steps = Steps()
    async with edge(lambda: counted_target(steps)) as server, at(server) as device:
        steps.hold()
        stream = await device.stream(eager(opening()))
        await eventually(lambda: steps.count, 1)
        assert await health(device) == SERVING
        await server_info(device.channel)
        steps.let_go()
        await stream.rest([])
        await stream.goodbye()


async def test_a_drain_lets_an_answer_end_and_no_other_begin() -> None:
    steps = Steps()
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=20), lambda: counted_target(steps))
    await server.__aenter__()
    async with at(server) as running, at(server) as late:
        assert await health(late) == SERVING
        steps.hold()
        stream = await running.stream(eager(opening()))
        await stream.until(Opened)
        leaving = asyncio.create_task(server.__aexit__(None, None, None))
        await until_health(late, NOT_SERVING)
        refusal = await late.refusal(opening())
        assert refusal.code is grpc.StatusCode.UNAVAILABLE
        assert refusal.sentence == "the edge is shutting down; try again, or another edge"
        with pytest.raises(Unavailable, match="shutting down"):
            await server_info(late.channel)
        steps.let_go()
        held: list[int] = []
        await stream.rest(held)
        await stream.goodbye()
        await leaving
    assert tuple(held) == alone(toy_target(), asked("tell me more", ignore_eos=True, max_tokens=40))
    await nothing_alive()


async def test_what_outlasts_the_drain_is_cut_and_freed() -> None:
    server = EdgeServer(EdgeConfig(port=0, drain_seconds=0.05), toy_target)
    await server.__aenter__()
    async with at(server) as device:
        streams = [await device.stream(opening()) for _ in range(3)]
        for stream in streams:
            await stream.until(Commit)
        await server.__aexit__(None, None, None)
        for stream in streams:
            assert type((await stream.refusal()).error) is Unavailable
    assert server.sessions == 0
    await nothing_alive()


async def test_parked_sessions_do_not_hold_up_the_end() -> None:
    async with edge(drain_seconds=20) as server:
        async with at(server) as device:
            stream = await device.stream(opening())
            await stream.until(Commit)
        await eventually(lambda: server.parked, 1)
    assert server.sessions == 0
    await nothing_alive()


async def test_a_port_in_use_is_said_and_leaves_nothing() -> None:
    async with edge() as server:
        before = alive()
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{server.port}"):
            async with edge(port=server.port):
                pass
        await eventually(alive, before)
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            await exact(client, asked())


async def test_a_model_that_cannot_be_loaded_is_said_and_leaves_nothing() -> None:
    def nowhere() -> Vlm:
        raise ModelError("nowhere: there is no such folder")

    def buggy() -> Vlm:
        raise RuntimeError("a secret of the machine room")

    port = free_port()
    for load, error, sentence in [
        (nowhere, ModelError, "^nowhere: there is no such folder$"),
        (buggy, EngineFailure, "^the engine failed: RuntimeError$"),
    ]:
        with pytest.raises(error, match=sentence):
            async with edge(load, port=port):
                pass
        await nothing_alive()
    async with edge(port=port) as server:  # the port is free again
        assert server.port == port


async def test_who_gives_up_on_a_load_leaves_nothing_once_it_is_over() -> None:
    loaded = threading.Event()

    def slowly() -> Vlm:
        loaded.wait(20)
        return toy_target()

    async with loading(slowly) as (_, entering):
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
    loaded.set()
    await nothing_alive()


async def test_a_signal_drains_and_ends_the_process() -> None:
    port = free_port()
    serving = asyncio.create_task(serve(EdgeConfig(port=port, drain_seconds=20), toy_target))
    async with RawDevice(f"127.0.0.1:{port}") as device:
        await until_health(device, SERVING)
        stream = await device.stream(opening())
        opened = await stream.until(Opened)
        os.kill(os.getpid(), signal.SIGTERM)
        await until_health(device, NOT_SERVING)
        await stream.until(Commit)
        stream.cancel()
        await serving
        assert (await device.refusal(resume(opened, 1))).code is grpc.StatusCode.UNAVAILABLE
    await nothing_alive()


async def test_an_edge_listens_on_ipv6_too() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with edge(host="::1") as server, device(f"[::1]:{server.port}", toy_draft()) as client:
        await exact(client, asked())


@pytest.mark.parametrize("reuse_mib", [0.0, 0.001])
async def test_a_running_edge_holds_nothing_of_answers_that_are_over_but_what_it_may(reuse_mib: float) -> None:
    async with edge(park_seconds=0, reuse_mib=reuse_mib) as server:
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client, at(server) as raw:
            await exact(client, asked("what is it?", a_picture(seed=1)))
            pieces = (await client.ask(asked("and this?", ignore_eos=True))).pieces()
            await anext(pieces)
            await pieces.aclose()
            refused = await raw.stream(opening())
            await refused.until(Commit)
            await refused.send(Propose(9, 9))
            await refused.refusal()
            left = await raw.stream(eager(opening()))
            await left.until(Commit)
            left.cancel()
        await eventually(lambda: (server.sessions, server.places, alive()["decoders"] - server.left), (0, 0, 0))
        assert (server.left > 0) == (reuse_mib > 0)
    await nothing_alive()


async def test_many_answers_and_breaks_leave_nothing() -> None:
    slow = partial(toy_target, step_seconds=0.001)
    async with edge(slow, max_sessions=4) as server, at(server) as raw:
        async with device(f"127.0.0.1:{server.port}", toy_draft()) as client:
            for number in range(10):
                stream = await raw.stream(eager(opening()))
                await stream.until(Opened)
                stream.cancel()
                await exact(client, asked(f"question {number}"))
        await eventually(lambda: server.parked == server.sessions <= 4)
    assert server.sessions == 0
    await nothing_alive()
