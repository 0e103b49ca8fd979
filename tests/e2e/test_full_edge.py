"""A person at a full edge: told where the question stands, or when to come again; Ctrl-C ends the wait."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.processes import EdgeProcess, edge_process
from shared.speculation.messages import Finish, Finished, FinishReason
from shared.wire.handshake import Queued
from tests.support.raw_device import RawDevice, RawStream, opened_at, opening

DRAFT = "toy:seed=1,agreement=0.8"


@asynccontextmanager
async def full_edge(max_queue: int) -> AsyncIterator[tuple[EdgeProcess, RawStream]]:
    """An edge process whose one place a running answer has."""
    with edge_process("--model", "toy:seed=1", "--max-sessions", "1", "--max-queue", str(max_queue)) as edge:
        async with RawDevice(edge.address) as rival:
            running, _ = await opened_at(rival, [])
            yield edge, running


async def ask(edge: EdgeProcess, *options: str) -> Process:
    command = ("-m", "device_client", "ask", "hello", "--edge", edge.address, "--draft", DRAFT, *options)
    return await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE, stderr=PIPE)


async def until_said(process: Process, words: str) -> None:
    assert process.stderr is not None
    while words not in (line := (await process.stderr.readline()).decode()):
        assert line, f"the process ended without saying {words!r}"


async def test_who_waits_is_told_the_place_and_answered_when_it_comes() -> None:
    async with full_edge(max_queue=1) as (edge, running):
        process = await ask(edge, "--reconnect-seconds", "0", "--fallback", "local")
        await until_said(process, "waiting for a place at the edge: next in line")
        await running.send(Finish(FinishReason.CANCELLED))
        await running.until(Finished)
        out, err = await process.communicate()
    assert process.returncode == 0
    assert out.strip()
    assert b"draft supplied" in err  # the edge's answer, not the draft's


async def test_ctrl_c_ends_the_wait_and_leaves_the_line() -> None:
    async with full_edge(max_queue=1) as (edge, running):
        process = await ask(edge)
        await until_said(process, "next in line")
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
        assert process.returncode == 130
        assert b"Traceback" not in said
        async with RawDevice(edge.address) as another:
            next_one = await another.stream(opening())
            assert await next_one.receive() == Queued(1)
        await running.send(Finish(FinishReason.CANCELLED))
        await running.until(Finished)


async def test_who_finds_no_room_is_told_when_to_come_again() -> None:
    async with full_edge(max_queue=0) as (edge, _):
        process = await ask(edge, "--reconnect-seconds", "0")
        _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().strip().splitlines()[-1] == (
        "device-client: all 1 sessions of this edge are busy; try again in about 5 s"
    )


async def test_fallback_local_answers_where_there_is_no_room() -> None:
    async with full_edge(max_queue=0) as (edge, _):
        process = await ask(edge, "--reconnect-seconds", "0", "--fallback", "local")
        out, said = await process.communicate()
    assert process.returncode == 0
    assert out.strip()
    assert b"the draft answers alone" in said
    assert b"all 1 sessions of this edge are busy" in said
