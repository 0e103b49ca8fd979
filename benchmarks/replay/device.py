"""A replayed device on a real stream: real messages at recorded times, and no model.

Guarantees: it follows the protocol as our own device does (all waiting commits before a draft, a draft begun under an
older path thrown away, an acknowledgement before the edge has to wait for one). A drafted token comes after its
recorded time on average: what a timer of the system sleeps too long, the next token makes up for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import grpc

from benchmarks.replay.script import Recording, Script
from device_client.link import Link
from shared.errors import OutOfStep
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Pace
from shared.wire.handshake import DeviceProfile, ImageHeld, Opened, ServerInfo
from shared.wire.ledger import Ledger


@dataclass(frozen=True)
class Manner:
    """How devices are played. `draft_seconds`: for a token, None: as recorded."""

    window: int
    pace: Pace = Pace.EAGER
    draft_seconds: float | None = None


@dataclass
class Diary:
    """What one device lived through. `arrivals`: when how many tokens came, in seconds of the clock."""

    arrivals: list[tuple[float, int]] = field(default_factory=list)
    steps: int = 0
    accepted: int = 0
    exact: int = 0
    differing: int = 0

    def tokens(self, begin: float, end: float) -> int:
        """How many tokens came in [begin, end)."""
        return sum(count for when, count in self.arrivals if begin <= when < end)


class ReplayedDevice:
    """Answers recordings one after another over one channel, and keeps a diary."""

    def __init__(self, channel: grpc.aio.Channel, info: ServerInfo, manner: Manner) -> None:
        self.diary = Diary()
        self._channel = channel
        self._info = info
        self._manner = manner

    async def answer(self, recording: Recording) -> None:
        """Play one recording to its end. Raises what ended the stream early."""
        script = Script(recording, self._manner.window)
        async with Link(self._channel, self._info.limits, Ledger()) as link:
            profile = DeviceProfile(self._info.vocabulary.reference, self._manner.window, self._manner.pace)
            link.post(recording.opening(profile))
            link.upload(recording.pictures)
            changed = asyncio.Event()
            drafting = asyncio.create_task(self._draft_ahead(recording, script, link, changed))
            try:
                await self._follow(script, link, changed)
            finally:
                drafting.cancel()
                with suppress(asyncio.CancelledError):
                    await drafting
            await link.finish(Finish(FinishReason.DONE))
        self.diary.exact += script.exact
        self.diary.differing += not script.exact

    async def _follow(self, script: Script, link: Link, changed: asyncio.Event) -> None:
        """Take what the edge says, to the end of the answer."""
        async for message in link.messages():
            match message:
                case Commit():
                    script.hear(message)
                    self.diary.arrivals.append((monotonic(), len(message.ids)))
                    self.diary.steps += len(message.accepted)
                    self.diary.accepted += sum(message.accepted)
                    if 2 * script.unread >= self._info.limits.max_ahead or not script.may_draft:
                        _say(script, link)
                    changed.set()
                case ImageHeld():
                    link.spare(message.images)
                case Finished():
                    return
                case Opened():
                    pass
                case other:
                    raise OutOfStep(f"a replayed device does not know {type(other).__name__.lower()}")

    async def _draft_ahead(self, recording: Recording, script: Script, link: Link, changed: asyncio.Event) -> None:
        """Draft a token in its time whenever one may be drafted; early ones go out before the edge has opened."""
        wished = self._manner.draft_seconds
        seconds = recording.token_seconds if wished is None else wished
        due = monotonic() + recording.first_seconds
        while True:
            while not script.may_draft:
                changed.clear()
                await changed.wait()
                due = max(due, monotonic())
            due += seconds
            position, version = script.position, script.conversation.version
            await asyncio.sleep(max(0.0, due - monotonic()))
            if version != script.conversation.version:
                due = max(due, monotonic())
            script.draft(position, version)
            _say(script, link)


def _say(script: Script, link: Link) -> None:
    if (said := script.outgoing()) is not None:
        link.post(said)
