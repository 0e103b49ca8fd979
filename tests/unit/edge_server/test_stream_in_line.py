"""A stream whose opening waits for a place: what it reads meanwhile is bounded for all that wait together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from edge_server.edge import Edge
from edge_server.engine.embedded import EmbeddedEngine
from edge_server.sessions import Sessions
from edge_server.stream import Stream
from edge_server.uploads import ImageStore, UploadRoom
from edge_server.vocabularies import Vocabularies
from shared.errors import Overloaded
from shared.media.decoder import ImageDecoder
from shared.speculation.messages import Finish, Finished, FinishReason
from shared.wire.codec import FromDevice, FromEdge
from shared.wire.handshake import ImageChunk, ImageHeld, Limits, Opened, Queued
from tests.support.raw_device import chunks, opening
from tests.support.system import a_picture, eventually, toy_target

PICTURES = [a_picture(seed) for seed in (1, 2)]
CHUNK = 1000


@dataclass
class Device:
    """What it says, taken one by one, and what it hears."""

    says: list[FromDevice]
    taken: list[FromDevice] = field(default_factory=list)
    heard: list[FromEdge] = field(default_factory=list)
    finishing: asyncio.Event = field(default_factory=asyncio.Event)

    async def messages(self) -> AsyncGenerator[FromDevice, None]:
        for message in self.says:
            self.taken.append(message)
            yield message
        await self.finishing.wait()
        yield Finish(FinishReason.CANCELLED)

    async def hear(self, message: FromEdge) -> None:
        self.heard.append(message)

    def heard_of(self, kind: type[FromEdge]) -> int:
        return sum(isinstance(message, kind) for message in self.heard)

    async def run(self, edge: Edge) -> None:
        async with aclosing(self.messages()) as messages:
            await Stream(edge, messages, self.hear).run()

    @property
    def chunks_taken(self) -> int:
        return sum(isinstance(message, ImageChunk) for message in self.taken)


@asynccontextmanager
async def full(room: int) -> AsyncIterator[Edge]:
    """An edge whose one place is taken, and whose waiting room has `room` bytes."""
    engine = EmbeddedEngine(toy_target)
    await engine.start()
    line, store, vocabularies = Sessions(1, 60.0, 5), ImageStore(2**20), Vocabularies(engine.info)
    edge = Edge(engine, line, store, UploadRoom(room), ImageDecoder(2**30), vocabularies, Limits(), 60.0)
    yield edge
    await edge.sessions.close_all()
    await engine.stop()


def showing(picture: bytes) -> Device:
    return Device([opening("?", picture), *chunks(picture, size=CHUNK)])


async def test_pictures_are_read_as_far_as_there_is_room_and_a_place_is_asked_for_when_they_are_there() -> None:
    one, two = (showing(picture) for picture in PICTURES)
    async with full(room=len(PICTURES[0])) as edge:
        turn = edge.sessions.queue()
        running = [asyncio.create_task(one.run(edge))]
        await eventually(lambda: one.heard, [Queued(1)])
        assert one.taken == one.says
        running.append(asyncio.create_task(two.run(edge)))
        await eventually(lambda: two.chunks_taken, 1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert two.chunks_taken == 1  # which waits, and what comes after it is not read
        assert two.heard == []
        edge.sessions.release(turn)
        await eventually(lambda: one.heard_of(Opened), 1)
        await eventually(lambda: two.heard, [Queued(1)])
        one.finishing.set()
        await eventually(lambda: two.heard_of(Opened), 1)
        two.finishing.set()
        await asyncio.gather(*running)
        assert two.taken == two.says


async def test_a_slow_device_holds_no_place_and_overtakes_nobody() -> None:
    slow, quick = Device([opening("?", PICTURES[0]), *chunks(PICTURES[0], size=CHUNK)[:-1]]), Device([opening("?")])
    async with full(room=2**20) as edge:
        running = [asyncio.create_task(slow.run(edge))]
        await eventually(lambda: slow.taken, slow.says)
        assert (len(edge.sessions), edge.sessions.waiting) == (0, 0)
        running.append(asyncio.create_task(quick.run(edge)))
        await eventually(lambda: quick.heard_of(Opened), 1)
        for device in (slow, quick):
            device.finishing.set()
        await asyncio.gather(*running)
        assert slow.heard == [Finished(FinishReason.CANCELLED, 0)]


async def test_who_could_not_wait_is_told_before_its_pictures_come() -> None:
    device = showing(PICTURES[0])
    async with full(room=2**20) as edge:
        for _ in range(6):  # its place, and all of its line
            edge.sessions.queue()
        with pytest.raises(Overloaded):
            await device.run(edge)
        assert device.chunks_taken <= 1


async def test_the_room_is_free_again_when_who_used_it_is_gone_and_is_waited_for_only_so_long() -> None:
    room = UploadRoom(10, patience=0.01)
    for _ in range(2):
        with suppress(RuntimeError), room.share() as all_of_it:
            await all_of_it.add(10)
            with room.share() as nothing:
                await nothing.add(0)
                with pytest.raises(Overloaded, match="all of the 10 bytes"):
                    await nothing.add(1)
            raise RuntimeError
    room = UploadRoom(10)
    with room.share() as first, room.share() as second:
        await first.add(6)
        await second.add(4)
        with room.share() as third:
            waiting = asyncio.create_task(third.add(1))
            await eventually(lambda: third.waits)
            waiting.cancel()
            await asyncio.wait([waiting])


async def test_a_picture_that_is_held_already_counts_in_the_room_too() -> None:
    picture = PICTURES[0]
    two, three = (Device([opening("?", picture)]) for _ in range(2))
    async with full(room=len(picture)) as edge:
        turn = edge.sessions.queue()
        edge.store.put(opening("?", picture).images[0].digest, picture)
        running = [asyncio.create_task(two.run(edge))]
        await eventually(lambda: two.heard, [ImageHeld((0,)), Queued(1)])
        running.append(asyncio.create_task(three.run(edge)))
        await eventually(lambda: three.taken, three.says)
        two.finishing.set()
        await eventually(lambda: three.heard, [ImageHeld((0,)), Queued(1)])
        three.finishing.set()
        await asyncio.gather(*running)
        assert [device.heard[-1] for device in (two, three)] == [Finished(FinishReason.CANCELLED, 0)] * 2
        edge.sessions.release(turn)
        assert (len(edge.sessions), edge.sessions.waiting) == (0, 0)


async def test_who_is_called_and_says_finish_in_the_same_moment_holds_no_place() -> None:
    device = Device([opening("?")])
    async with full(room=0) as edge:
        turn = edge.sessions.queue()
        running = asyncio.create_task(device.run(edge))
        await eventually(lambda: device.heard, [Queued(1)])
        device.finishing.set()
        edge.sessions.release(turn)
        await running
        assert device.heard[-1] == Finished(FinishReason.CANCELLED, 0)
        assert len(edge.sessions) == 0
