"""Drafts ahead of what the edge has said: runs the moves of a `Control` on the thread that owns the model.

Guarantees: all waiting commits are taken before each forward; a draft that fails, or cannot follow the text, costs
drafts and never the answer; at a pace that waits for the device, a device that does not draft has said so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from PIL import Image

from device_client.draft.control import Control
from device_client.draft.drafter import Drafter
from device_client.draft.drawing import Drawing
from device_client.draft.policy import Handing, Move
from device_client.reduce import Reducer
from device_client.session import EdgeSession
from shared.errors import CovspecError
from shared.speculation.attended import Attended
from shared.speculation.messages import Yield
from shared.speculation.prints import CommonIds
from shared.speculation.request import Message, SamplingParameters, SamplingWish, resolve
from shared.vlm.port import Vlm

Value = TypeVar("Value")


@dataclass(frozen=True)
class DraftModel:
    """The draft, the thread that owns it, and the ids it shares with the target.

    `drafting`: whether it drafts at all, or only reads out. `alone`: whether it goes on alone, provisionally, while the
    edge is away. `reducer`: None lets every visual token enter. `drawing`: how tokens are chosen.
    """

    vlm: Vlm
    thread: Executor
    common_ids: CommonIds
    drafting: bool = True
    alone: bool = False
    reducer: Reducer | None = None
    drawing: Drawing = Drawing()  # noqa: RUF009 - frozen


@dataclass(frozen=True)
class Task:
    """What the draft is asked: the chat, its pictures as seen, and the sampling wishes.

    `digests`: of the pictures, by which the draft knows what it has seen before; () if it is not to.
    """

    messages: Sequence[Message]
    images: Sequence[Image.Image]
    sampling: SamplingWish
    digests: Sequence[bytes] = ()


class Ahead:
    """The drafting of one answer, from `running` on until it is `over`."""

    def __init__(self, task: Task, session: EdgeSession, draft: DraftModel, control: Control) -> None:
        self.over = not draft.drafting
        self._task = task
        self._session = session
        self._model = draft
        self._control = control
        self._parameters: SamplingParameters | None = None  # by which the device drafts
        self._room = draft.vlm.info.context_length
        self._changed = asyncio.Event()
        self._yielded = self.over
        self._attended: Attended | None = None  # heard, and not drafted by yet

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Draft while the block runs."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def opened(self, parameters: SamplingParameters) -> None:
        """The edge has said what holds, on a new stream: it knows nothing of a yield before."""
        self._parameters = parameters
        if self._yielded:
            self._session.say(Yield(on=True))
        self._changed.set()

    def attended(self, attended: Attended) -> None:
        """The edge has told where its target looks: the draft begins anew with that."""
        self._attended = attended
        self._changed.set()

    def committed(self) -> None:
        """A commit was taken: the edge is to know how far it was read, before it stops to wait for that."""
        self._changed.set()
        self._session.acknowledge(self._control.conversation)

    def stop(self, why: str) -> None:
        """Draft no more for this answer."""
        if not self.over:
            self._session.log.warning("the device drafts no more for this answer: %s", why)
            self.over = True
            self._session.propose(self._control.conversation)  # what was drawn is judged, whatever follows
            self._yield(on=True)
            self._changed.set()

    async def _run(self) -> None:
        if self.over:
            return
        try:
            task, vlm, reducer = self._task, self._model.vlm, self._model.reducer
            begins = self._session.recorder.begins
            drafter = await self._forward(Drafter, vlm, task.messages, task.images, begins, reducer, task.digests)
            try:
                await self._follow(drafter)
            finally:
                with suppress(RuntimeError):  # a client that is gone has ended its thread, and keeps nothing
                    self._model.thread.submit(drafter.leave, tuple(self._control.conversation.committed))
        except CovspecError as refused:  # the draft's context is smaller, say: the edge answers alone
            self.stop(str(refused))
        except Exception as broken:
            self._session.log.exception("the draft failed")
            self.stop(f"the draft failed: {type(broken).__name__}")

    async def _follow(self, drafter: Drafter) -> None:
        """Draft until it is over."""
        self._room = drafter.room
        self._assume_parameters()
        followed: SamplingParameters | None = None
        while not self.over:
            if self._is_full():
                self.stop("its context is full")
            elif self._attended is not None:
                told, self._attended = self._attended, None
                await self._forward(drafter.attend, told)
            elif self._parameters is None:
                await self._word()
            elif followed != self._parameters:
                followed = self._parameters
                common, placeholders = self._model.common_ids, self._model.vlm.info.placeholder_ids
                await self._forward(drafter.follow, followed, common, placeholders)
            else:
                await self._move(drafter)

    async def _move(self, drafter: Drafter) -> None:
        control, session = self._control, self._session
        mute = not session.connected or control.conversation.resuming
        move = control.move(self._limit(), monotonic(), mute=mute)
        self._yield(on=move is Move.QUIET and control.handing is not Handing.STREAM)
        match move:
            case Move.DRAFT:
                await self._draft(drafter)
            case Move.SEND:
                control.said(monotonic())
                if control.closes:
                    control.conversation.close()
                self._session.propose(control.conversation)
            case Move.WAIT | Move.QUIET:
                await self._word()

    async def _draft(self, drafter: Drafter) -> None:
        forward, begin = self._control.forward(), monotonic()
        job = partial(drafter.draw_all, behind=forward.behind)
        drawn = await self._forward(job, forward.texts, forward.path, self._model.drawing)
        now = monotonic()
        self._session.recorder.drafted(begin, now, len(drawn))
        self._session.recorder.dropped(self._control.drafted(forward, drawn, begin, now))

    async def _word(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _forward(self, job: Callable[..., Value], *arguments: object) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._model.thread, job, *arguments)

    def _yield(self, *, on: bool) -> None:
        if on != self._yielded:
            self._yielded = on
            self._session.say(Yield(on=on))

    def _assume_parameters(self) -> None:
        """Draft before the edge has said what holds, if its word cannot matter: without noise, or with a seed given."""
        wish = self._task.sampling
        assumed = resolve(wish, self._model.vlm.info.defaults, self._room, seed=0)
        if self._parameters is None and (assumed.temperature == 0 or wish.seed is not None):
            self._parameters = assumed

    def _limit(self) -> int:
        """How many tokens more the answer has a place for behind the path."""
        conversation, parameters = self._control.conversation, self._parameters
        if parameters is None or any(token in parameters.end_ids for token in conversation.path):
            return 0
        return min(parameters.max_tokens, self._room) - len(conversation.committed) - len(conversation.path)

    def _is_full(self) -> bool:
        """Whether the answer may go on where the draft cannot follow: who steps over drafts alone must be told."""
        conversation = self._control.conversation
        length = len(conversation.committed) + len(conversation.path)
        return length >= self._room and self._parameters is not None and self._parameters.max_tokens > self._room
