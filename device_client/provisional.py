"""What the draft says while the edge is away in the middle of an answer, for whoever asked for it (`fallback` local).

Guarantees: it is shown as provisional and is taken back before anything the edge says is given out; the committed text
is not touched by it. It knows neither streams nor screens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from device_client.draft.drafter import Drafter
from device_client.session import Away
from shared.errors import CovspecError
from shared.logs import RequestLog
from shared.speculation.ending import Ending, TextStream
from shared.speculation.messages import Commit, Finished
from shared.speculation.request import SamplingParameters
from shared.vlm.port import Vlm
from shared.wire.codec import FromEdge

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Provisional:
    """All that the draft says beyond the text that stands; each replaces the one before, and "" takes it back."""

    text: str


class Understudy:
    """The draft, ready to go on alone with one answer. It sees the pictures when it is first needed.

    `drafter`: makes one for the question, on the thread that owns the model.
    """

    def __init__(
        self, vlm: Vlm, thread: Executor, common_ids: int, drafter: Callable[[], Drafter], log: RequestLog
    ) -> None:
        self._log = log
        self._vlm = vlm
        self._thread = thread
        self._common_ids = common_ids
        self._make = drafter
        self._drafter: Drafter | None = None

    async def speak(
        self, committed: Sequence[int], parameters: SamplingParameters
    ) -> AsyncGenerator[Provisional, None]:
        """What follows `committed`, ever more of it, to the draft's own end. Nothing if the draft cannot follow."""
        if any(token >= self._vlm.info.rows for token in committed):
            return
        try:
            if self._drafter is None:
                self._drafter = await self._run(self._make)
            drafter = self._drafter
            await self._run(lambda: drafter.follow(parameters, self._common_ids, self._vlm.info.placeholder_ids))
            async with aclosing(self._say(drafter, list(committed), parameters)) as saying:
                async for provisional in saying:
                    yield provisional
        except CovspecError as refused:  # the draft's context is smaller, say: there is nothing to show then
            self._log.info("the draft cannot go on alone: %s", refused)
        except Exception:
            self._log.exception("the draft failed")

    async def _say(
        self, drafter: Drafter, ids: list[int], parameters: SamplingParameters
    ) -> AsyncGenerator[Provisional, None]:
        decode = self._vlm.tokenizer.decode
        ending, text, said = Ending(parameters, decode), TextStream(decode, parameters.stop), ""
        reason = None
        for token in ids:
            reason = ending.push(token)
            text.push(token)
        while reason is None and len(ids) < drafter.room:
            ids.append(await self._run(lambda: drafter.next(list(ids))))
            reason = ending.push(ids[-1])
            if more := text.push(ids[-1]):
                said += more
                yield Provisional(said)
        if more := text.flush():
            yield Provisional(said + more)

    async def _run(self, job: Callable[[], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)


async def filled(
    messages: AsyncGenerator[FromEdge | Away, None], speak: Callable[[], AsyncGenerator[Provisional, None]]
) -> AsyncGenerator[FromEdge | Provisional, None]:
    """`messages`, and what `speak` says while the edge is away. If that is for good, `speak` ends first."""
    async with aclosing(messages):
        async for message in messages:
            if not isinstance(message, Away):
                yield message
                continue
            gap = _Gap(messages, speak())
            try:
                async for event in gap.events():
                    yield event
            finally:
                await gap.close()


class _Gap:
    """The time from a break until the edge has committed again. Two sources, whichever has something to say."""

    def __init__(
        self, messages: AsyncGenerator[FromEdge | Away, None], speaking: AsyncGenerator[Provisional, None]
    ) -> None:
        self._messages, self._speaking = messages, speaking
        self._hearing: asyncio.Task[FromEdge | Away | None] | None = _next(messages)
        self._saying: asyncio.Task[Provisional | None] | None = _next(speaking)

    async def events(self) -> AsyncGenerator[FromEdge | Provisional, None]:
        """Up to the first commit, with which the draft's word is taken back. Raises what ended the answer."""
        shown, gone = False, CovspecError("the answer ended without a word")
        while waiting := [task for task in (self._hearing, self._saying) if task is not None]:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._hearing is not None and self._hearing.done():
                try:
                    message = self._hearing.result()
                except CovspecError as error:
                    gone, message = error, None
                if isinstance(message, Commit | Finished):
                    if shown:
                        yield Provisional("")
                    yield message
                    return
                self._hearing = _next(self._messages) if message is not None else None
                if message is not None and not isinstance(message, Away):
                    yield message
            elif self._saying is not None and self._saying.done():
                said = self._saying.result()
                self._saying = _next(self._speaking) if said is not None else None
                if said is not None:
                    shown = True
                    yield said
        raise gone

    async def close(self) -> None:
        """Nobody wants more."""
        running = [task for task in (self._hearing, self._saying) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._speaking.aclose()


def _next(source: AsyncGenerator[Value, None]) -> asyncio.Task[Value | None]:
    async def take() -> Value | None:
        return await anext(source, None)

    return asyncio.create_task(take())
