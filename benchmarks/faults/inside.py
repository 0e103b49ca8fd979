"""Faults of the conversation itself, against an edge in this process: all that it holds is counted afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic

import grpc

from benchmarks.faults.outcome import Finding, Outcome
from edge_server.server import EdgeServer
from shared.errors import CovspecError
from shared.speculation.messages import Commit, Finish, FinishReason, Propose, Yield
from shared.wire.handshake import Opened
from tests.support.raw_device import RawDevice, RawStream, Sendable, at, eager, opened_at, opening, resume
from tests.support.shim import Shim
from tests.support.system import alive, alone, asked, device, edge, eventually, exact, toy_draft, toy_target

LENGTH = 40  # of what `opening` asks for
_TOGETHER = 6  # devices at an edge of two places

Played = Callable[[str, int, random.Random], Finding]
Scene = Callable[[EdgeServer, random.Random], Awaitable[str]]


def replayed(name: str, times: int, rng: random.Random) -> Finding:
    """After a resume, what was said before is said again: on the old stream, and on a third by the old token."""
    return _played(name, times, rng, _replay)


def claimed(name: str, times: int, rng: random.Random) -> Finding:
    """Two streams claim one session, time and again, with the same token at the same moment."""
    return _played(name, times, rng, _claim)


def full(name: str, times: int, rng: random.Random) -> Finding:
    """Six devices at an edge with two places, on links that break: whoever is parked loses its place to who waits."""
    return _played(name, times, rng, _crowd, max_sessions=2, park_seconds=0.2)


def _played(name: str, times: int, rng: random.Random, scene: Scene, **options: object) -> Finding:
    finding = Finding(name)

    async def play() -> None:
        before = alive()
        async with edge(partial(toy_target, step_seconds=0.001), **options) as server:
            for _ in range(times):
                began = monotonic()
                wrong = await scene(server, rng)
                finding.outcomes.append(Outcome(wrong, monotonic() - began))
            await eventually(lambda: server.sessions, 0)
            finding.left = {"sessions": server.sessions, "places": server.places}
        await eventually(alive, before)
        finding.left |= {what: count - before[what] for what, count in alive().items()}

    asyncio.run(play())
    return finding


def _told() -> list[int]:
    return list(alone(toy_target(), asked("tell me more", ignore_eos=True, max_tokens=LENGTH)))


async def _replay(server: EdgeServer, rng: random.Random) -> str:
    answer = _told()
    async with at(server) as device, at(server) as other:
        held: list[int] = []
        old, opened = await opened_at(device, held)
        said: list[Sendable] = [Propose(1, 1, tuple(answer[1 : 1 + rng.randint(1, 6)])), Yield(True)]
        await old.send(*said)
        while len(held) < rng.randint(2, 20):
            held += (await old.until(Commit)).ids
            await old.send(Propose(len(held), len(held)))
        new = await device.stream(resume(opened, len(held)))
        again = await new.until(Opened)
        await old.send(*said, Finish(FinishReason.CANCELLED))
        stolen = await other.refusal(resume(opened, len(held)), *said)
        if type(stolen.error).__name__ != "UnknownSession":
            return f"an old token was answered with {stolen.sentence}"
        await old.refusal()
        await new.send(Yield(True))
        held += (await new.until(Commit)).ids  # what the old stream had not read
        await new.rest(held)
        await new.goodbye()
        late = await other.refusal(resume(again, len(held)))
        return _verdict(held, answer) or (
            "" if type(late.error).__name__ == "UnknownSession" else f"after the end: {late.sentence}"
        )


async def _claim(server: EdgeServer, rng: random.Random) -> str:
    answer = _told()
    async with at(server) as one, at(server) as two:
        first = await one.stream(eager(opening()))
        opened = await first.until(Opened)
        for _ in range(rng.randint(1, 8)):
            claims = await asyncio.gather(*(_claimed(raw, opened) for raw in (one, two)))
            won = [claim for claim in claims if claim is not None]
            if len(won) != 1:
                return f"{len(won)} of two streams with one token were let in"
            stream, opened = won[0]
        held: list[int] = []
        await stream.rest(held)
        await stream.goodbye()
        return _verdict(held, answer)


async def _claimed(raw: RawDevice, opened: Opened) -> tuple[RawStream, Opened] | None:
    stream = await raw.stream(resume(opened, 0))
    try:
        return stream, await stream.until(Opened)
    except grpc.aio.AioRpcError:
        return None


async def _crowd(server: EdgeServer, rng: random.Random) -> str:
    async def ask(number: int) -> None:
        async with Shim(server.port) as shim, device(shim.address, toy_draft()) as client:
            await client.info()
            hostile = asyncio.create_task(shim.be_hostile(random.Random(rng.random()), most_cuts=2))
            try:
                await exact(client, asked(f"question {number}", max_tokens=60, ignore_eos=True, temperature=1.0))
            finally:
                hostile.cancel()
                await asyncio.wait([hostile])
                shim.flow()

    try:
        await asyncio.gather(*(ask(number) for number in range(_TOGETHER)))
    except (CovspecError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _verdict(held: list[int], answer: list[int]) -> str:
    return "" if held == answer else f"held {held}, not {answer}"
