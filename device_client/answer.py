"""One answer: two loops on one event loop, one that follows what the edge says and one that drafts ahead of it.

Guarantees: the text is what the edge committed, whatever the draft, the link or a restart of the edge does; nothing
that was given out is taken back. Forwards run on the model's own thread; all waiting commits are taken before each.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from PIL import Image

from device_client.drafter import Drafter
from device_client.figures import Figures
from device_client.session import EdgeSession
from shared.errors import CovspecError, OutOfStep, Unsupported
from shared.speculation.device import REST, DeviceConversation
from shared.speculation.ending import TextStream
from shared.speculation.messages import Commit, Finished, FinishReason, Pace, Yield
from shared.speculation.request import Message, SamplingParameters, SamplingWish, resolve
from shared.vlm.port import Vlm
from shared.wire.handshake import Opened, Queued

log = logging.getLogger(__name__)
Value = TypeVar("Value")

WORDS_A_STEP = 8  # most messages with drafted tokens while the target makes a step


class Source(enum.Enum):
    """Who said a piece of text first: the device (and the edge confirmed it), the target, or the draft all alone."""

    DRAFT = "draft"
    TARGET = "target"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that stands, who said it first, and the ids that it ends: those since the piece before it."""

    text: str
    source: Source
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is asked: the chat, its pictures as encoded and as seen, and the sampling wishes.

    `log_probabilities`: whether the edge is to say how likely the target found each token.
    """

    messages: tuple[Message, ...]
    encoded: tuple[bytes, ...]
    images: tuple[Image.Image, ...]
    sampling: SamplingWish
    log_probabilities: bool = False


@dataclass(frozen=True)
class Result:
    """A whole answer. `parameters`: what held, seed included. `log_probabilities`: one for each id, if asked for."""

    text: str
    ids: tuple[int, ...]
    reason: FinishReason
    parameters: SamplingParameters
    figures: Figures
    prompt_tokens: int
    log_probabilities: tuple[float, ...] = ()


@dataclass(frozen=True)
class DraftModel:
    """The draft, the thread that owns it, and how many ids it shares with the target, from 0 on.

    `window`: tokens held beyond the committed text. `drafting`: whether it drafts at all, or only reads out.
    """

    vlm: Vlm
    thread: Executor
    common_ids: int
    window: int
    drafting: bool = True


class Answer:
    """An answer on its way: iterate over `pieces`, or `events`, once; `result` is there after the last."""

    def __init__(self, question: Question, session: EdgeSession, draft: DraftModel) -> None:
        self.result: Result | None = None
        self._question = question
        self._session = session
        self._draft = draft
        self._conversation = DeviceConversation(draft.window, rest=REST if session.pace is Pace.EAGER else 0)
        self._text = TextStream(draft.vlm.tokenizer.decode, question.sampling.stop)
        self._parameters: SamplingParameters | None = None  # by which the device drafts
        self._quiet = not draft.drafting
        self._room = draft.vlm.info.context_length
        self._changed = asyncio.Event()
        self._said = 0.0  # when a drafted token was last sent
        self._unread: list[int] = []  # committed ids whose text no piece holds yet
        self.log_probabilities: list[float] = []  # of the committed ids, if asked for

    @property
    def provisional(self) -> str:
        """What the device expects next, beyond the pieces given out: it may never come. Costs only who asks."""
        return self._text.ahead(self._conversation.path)

    def figures(self) -> Figures:
        """What it has come to so far."""
        return self._session.recorder.figures()

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """The text as it is confirmed. Raises what ended the answer early."""
        async with aclosing(self.events()) as events:
            async for event in events:
                if isinstance(event, Piece):
                    yield event

    async def events(self) -> AsyncGenerator[Piece | Queued, None]:
        """The text as it is confirmed, and before it the place in line at a full edge whenever that changes."""
        said: list[str] = []
        async with aclosing(self._session.messages(self._conversation)) as messages, self._drafting():
            async for message in messages:
                if isinstance(message, Queued):
                    yield message
                for piece in self._take(message):
                    said.append(piece.text)
                    yield piece
                if isinstance(message, Finished):
                    self._finish("".join(said), message.reason)

    def _take(self, message: object) -> Iterator[Piece]:
        match message:
            case Opened():
                self._parameters = message.sampling
                if self._quiet:
                    self._session.say(Yield(on=True))
                self._changed.set()
            case Commit():
                yield from self._commit(message)
            case Finished():
                held = len(self._conversation.committed)
                if message.length != held:
                    raise OutOfStep(f"finished.length is {message.length}: the device holds {held} committed tokens")
                if rest := self._text.flush():
                    yield self._piece(rest, Source.TARGET)
            case _:
                pass

    def _commit(self, commit: Commit) -> Iterator[Piece]:
        if self._question.log_probabilities and len(commit.log_probabilities) != len(commit.ids):
            raise Unsupported("this edge sends no log-probabilities; ask without them")
        self.log_probabilities += commit.log_probabilities
        self._session.recorder.dropped(self._conversation.hear(commit))
        if any(token >= self._draft.vlm.info.rows for token in commit.ids):
            self._go_quiet("the target said a token that the draft does not know")
        self._changed.set()
        if self._conversation.unsent and not self._may_draft():
            self._session.propose(self._conversation)
        else:
            self._session.acknowledge(self._conversation)
        for token, source in zip(commit.ids, _sources(commit), strict=True):
            self._unread.append(token)
            if text := self._text.push(token):
                yield self._piece(text, source)

    def _piece(self, text: str, source: Source) -> Piece:
        ids = tuple(self._unread)
        self._unread.clear()
        return Piece(text, source, ids)

    def _finish(self, text: str, reason: FinishReason) -> None:
        opened = self._session.opened
        assert opened is not None
        ids = tuple(self._conversation.committed)
        self._session.recorder.dropped(len(self._conversation.path))
        told = tuple(self.log_probabilities)
        self.result = Result(text, ids, reason, opened.sampling, self.figures(), opened.prompt_tokens, told)

    @asynccontextmanager
    async def _drafting(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._draft_ahead())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _draft_ahead(self) -> None:
        if self._quiet:
            return
        try:
            drafter = await self._forward(Drafter, self._draft.vlm, self._question.messages, self._question.images)
            self._room = drafter.room
            self._assume_parameters()
            followed: SamplingParameters | None = None
            while not self._quiet:
                if self._draft_is_full():
                    self._go_quiet("its context is full")
                elif not self._may_draft():
                    self._changed.clear()
                    await self._changed.wait()
                elif followed != self._parameters:
                    followed = self._parameters
                    common, placeholders = self._draft.common_ids, self._draft.vlm.info.placeholder_ids
                    await self._forward(drafter.follow, followed, common, placeholders)
                else:
                    await self._draft_one(drafter)
        except CovspecError as refused:  # the draft's context is smaller, say: the edge answers alone
            self._go_quiet(str(refused))
        except Exception as broken:
            log.exception("the draft failed")
            self._go_quiet(f"the draft failed: {type(broken).__name__}")

    async def _draft_one(self, drafter: Drafter) -> None:
        conversation = self._conversation
        text, version, begin = conversation.committed + conversation.path, conversation.version, monotonic()
        token = await self._forward(drafter.next, text)
        self._session.recorder.drafted(begin, monotonic())
        if not conversation.draft(token, version):
            self._session.recorder.dropped(1)
        self._propose_now_and_again()

    def _propose_now_and_again(self) -> None:
        """A word for each token of a fast draft would cost the edge time that its target needs: a few a step do.

        Before the first step, each word doubles what was said.
        """
        now, step, path = monotonic(), self._session.recorder.step_seconds, len(self._conversation.path)
        due = now >= self._said + step / WORDS_A_STEP if step else 2 * self._conversation.unsent >= path
        if due or not self._may_draft():
            self._said = now
            self._session.propose(self._conversation)

    async def _forward(self, job: Callable[..., Value], *arguments: object) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._draft.thread, job, *arguments)

    def _assume_parameters(self) -> None:
        """Draft before the edge has said what holds, if its word cannot matter: without noise, or with a seed given."""
        wish = self._question.sampling
        assumed = resolve(wish, self._draft.vlm.info.defaults, self._room, seed=0)
        if self._parameters is None and (assumed.temperature == 0 or wish.seed is not None):
            self._parameters = assumed

    def _may_draft(self) -> bool:
        conversation, parameters = self._conversation, self._parameters
        if self._quiet or parameters is None or conversation.wanted(self._session.recorder.flight.tokens) <= 0:
            return False
        length = len(conversation.committed) + len(conversation.path)
        ended = any(token in parameters.end_ids for token in conversation.path)
        return not ended and length < min(parameters.max_tokens, self._room)

    def _draft_is_full(self) -> bool:
        """Whether the answer may go on where the draft cannot follow: who steps over drafts alone must be told."""
        length = len(self._conversation.committed) + len(self._conversation.path)
        return length >= self._room and self._parameters is not None and self._parameters.max_tokens > self._room

    def _go_quiet(self, why: str) -> None:
        if not self._quiet:
            log.warning("the device drafts no more for this answer: %s", why)
            self._quiet = True
            self._session.say(Yield(on=True))
            self._session.propose(self._conversation)
            self._changed.set()


def _sources(commit: Commit) -> list[Source]:
    """Who said each of the commit's ids: every step's accepted proposals, then one of the target's own."""
    said = [source for count in commit.accepted for source in (*[Source.DRAFT] * count, Source.TARGET)]
    return (said + [Source.TARGET] * len(commit.ids))[: len(commit.ids)]
