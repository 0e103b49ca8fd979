"""Attacks that need no token: health, reflection, questions about the edge, and connections that never speak."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from benchmarks.budgets.attack import Tally, channel, forever
from benchmarks.budgets.target import Target
from shared.wire.v1 import verify_pb2 as pb

_INFO = "/" + pb.DESCRIPTOR.services_by_name["VerifyService"].full_name + "/GetServerInfo"
_STREAMS = 3000
_CONNECTIONS = 10
_CHECK_SECONDS = 10.0


async def watches(target: Target, tally: Tally) -> None:
    """3000 Watch streams of the health, on ten connections; an orchestrator's Check beside them."""
    channels = [channel(target) for _ in range(_CONNECTIONS)]

    async def watch(number: int) -> None:
        stub = health_pb2_grpc.HealthStub(channels[number % _CONNECTIONS])
        call = stub.Watch(health_pb2.HealthCheckRequest())
        try:
            if await call.read() is not grpc.aio.EOF:
                tally.taken += 1
            while await call.read() is not grpc.aio.EOF:
                pass
            raise grpc.aio.AioRpcError(await call.code(), grpc.aio.Metadata(), grpc.aio.Metadata())
        except grpc.aio.AioRpcError as error:
            tally.failed(error)

    async def orchestrate() -> None:
        async with channel(target) as its:
            while True:
                try:
                    await health_pb2_grpc.HealthStub(its).Check(health_pb2.HealthCheckRequest(), timeout=_CHECK_SECONDS)
                except grpc.aio.AioRpcError as error:
                    tally.refused[f"CHECK {error.code().name}"] += 1
                await asyncio.sleep(0.5)

    await asyncio.gather(orchestrate(), *(watch(number) for number in range(_STREAMS)), return_exceptions=True)


async def reflections(target: Target, tally: Tally) -> None:
    """1000 reflection streams that ask once and stay."""
    channels = [channel(target) for _ in range(_CONNECTIONS)]

    async def look(number: int) -> None:
        call = reflection_pb2_grpc.ServerReflectionStub(channels[number % _CONNECTIONS]).ServerReflectionInfo()
        try:
            await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            if await call.read() is not grpc.aio.EOF:
                tally.taken += 1
            while await call.read() is not grpc.aio.EOF:
                pass
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            tally.failed(error)

    await asyncio.gather(*(look(number) for number in range(1000)), return_exceptions=True)
    await asyncio.sleep(3600)


async def questions(target: Target, tally: Tally) -> None:
    """GetServerInfo as fast as it goes, sixteen at a time."""
    async with channel(target) as its:
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = its.unary_unary(_INFO)

        async def attempt() -> None:
            await ask(b"")

        await forever(attempt, tally, 16)


async def silence(target: Target, tally: Tally) -> None:
    """2000 connections that never say a word."""
    host, _, port = target.edge.rpartition(":")
    writers = []
    for _ in range(2000):
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError) as error:
            tally.failed(error)
            continue
        writers.append(writer)
        tally.taken += 1
        del reader
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
