"""A crowd of strangers at an edge's port is bounded, ends by itself, and keeps nobody from asking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from device_client.link import server_info
from edge_server.health import Health, Reflection
from edge_server.service import SERVICE
from shared.errors import Overloaded
from shared.speculation.messages import Commit
from shared.wire.handshake import Opened
from tests.support.raw_device import RawDevice, at, opening
from tests.support.system import bystander, edge, eventually, nothing_alive

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
ASKED = health_pb2.HealthCheckRequest()


@asynccontextmanager
async def published(most: int = 3, seconds: float = 60.0) -> AsyncIterator[tuple[Health, grpc.aio.Channel]]:
    """Health and reflection alone."""
    health, server = Health(most, seconds), grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Reflection((SERVICE,), most, seconds), server)
    health.say("", SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield health, channel
    await server.stop(0)


async def watch(channel: grpc.aio.Channel) -> Any:
    """A Watch stream that has been told the status."""
    call = health_pb2_grpc.HealthStub(channel).Watch(ASKED)
    assert (await call.read()).status == SERVING
    return call


async def test_a_crowd_of_watchers_makes_room_for_the_next_and_is_told_what_changes() -> None:
    async with published(most=3) as (health, channel):
        calls = [await watch(channel) for _ in range(10)]
        assert health.watching == 3
        for old in calls[:-3]:
            assert await old.code() is grpc.StatusCode.UNAVAILABLE
            assert "ask again" in await old.details()
        assert (await health_pb2_grpc.HealthStub(channel).Check(ASKED)).status == SERVING
        health.leave()
        health.say("", SERVING)  # too late
        for newest in calls[-3:]:
            assert (await newest.read()).status == NOT_SERVING
            newest.cancel()
        await eventually(lambda: health.watching, 0)


async def test_a_watch_ends_by_itself() -> None:
    async with published(seconds=0.05) as (health, channel):
        call = await watch(channel)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert health.watching == 0


async def test_a_service_that_is_not_here_is_unknown_to_both() -> None:
    async with published() as (health, channel):
        stub, nowhere = health_pb2_grpc.HealthStub(channel), health_pb2.HealthCheckRequest(service="nowhere")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Check(nowhere)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        call = stub.Watch(nowhere)
        assert (await call.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        health.say("nowhere", SERVING)
        assert (await call.read()).status == SERVING
        call.cancel()


async def test_reflection_streams_are_as_few_and_end_too() -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async with published(most=3, seconds=0.3) as (_, channel):
        stub, calls = reflection_pb2_grpc.ServerReflectionStub(channel), list[Any]()
        for _ in range(10):
            calls.append(stub.ServerReflectionInfo())
            await calls[-1].write(asked)
            names = (await calls[-1].read()).list_services_response.service
            assert [each.name for each in names] == [SERVICE]
        for call in calls:
            assert await call.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_connection_has_so_many_streams_and_an_edge_answers_others_beside_its_watchers() -> None:
    async with edge(max_sessions=2, max_queue=2) as server, at(server) as crowd:
        calls = [health_pb2_grpc.HealthStub(crowd.channel).Watch(ASKED) for _ in range(300)]
        for _ in range(3):
            async with at(server) as device:
                await (await device.stream(opening())).until(Commit)
        for call in calls:
            call.cancel()
    await nothing_alive()


async def test_who_opens_and_leaves_in_haste_is_refused_and_others_are_not() -> None:
    async with edge(max_openings_per_second=2) as server, at(server) as hasty, bystander(server):
        for _ in range(20):
            stream = await hasty.stream(opening())
            await stream.accepted()
            stream.cancel()
        refusal = await hasty.refusal(opening())
        assert (refusal.code, type(refusal.error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded)
        assert "this connection opens more than 2 streams a second (max_openings_per_second)" in refusal.sentence
        assert isinstance(refusal.error, Overloaded)
        assert refusal.error.retry_after is not None
        with pytest.raises(Overloaded):
            await server_info(hasty.channel, ())
        async with at(server) as other:
            await (await other.stream(opening())).until(Opened)
    await nothing_alive()


async def test_headers_beyond_their_size_end_the_call_alone() -> None:
    async with edge() as server:
        async with RawDevice(f"127.0.0.1:{server.port}", (("x-noise", "n" * 20_000),)) as loud:
            status = await (await loud.stream(opening())).refused(2.0)
            assert status is None or status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with at(server) as other:
            await (await other.stream(opening())).until(Opened)
