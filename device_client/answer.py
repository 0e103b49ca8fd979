"""One answer: follows what the edge says, while the draft runs ahead of it (`draft.ahead`) on the same event loop.

Guarantees: the text is what the edge committed, whatever the draft, the link or a restart of the edge does; nothing
that was given out is taken back.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from time import monotonic

from PIL import Image

from device_client.draft.ahead import Ahead, DraftModel, Task
from device_client.draft.control import Control
from device_client.draft.drafter import Drafter
from device_client.figures import Figures
from device_client.provisional import Provisional, Understudy, filled
from device_client.session import Away, EdgeSession
from device_client.trace.trace_file import TraceFile
from shared.errors import OutOfStep, Unsupported
from shared.logs import facts
from shared.speculation.attended import Attended
from shared.speculation.ending import TextStream
from shared.speculation.messages import Commit, Finished, FinishReason, ResidualRow
from shared.speculation.request import ImageReference, Message, SamplingParameters, SamplingWish
from shared.speculation.residual import corrected
from shared.wire.codec import FromEdge
from shared.wire.handshake import Opened, Queued


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

    @cached_property
    def references(self) -> tuple[ImageReference, ...]:
        """By what the edge, and the draft, know the pictures again."""
        return tuple(ImageReference.of(data) for data in self.encoded)


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


class Answer:
    """An answer on its way: iterate over `pieces`, or `events`, once; `result` is there after the last."""

    def __init__(
        self,
        question: Question,
        session: EdgeSession,
        draft: DraftModel,
        control: Control,
        file: TraceFile | None = None,
    ) -> None:
        """`file`: for a timeline of it, written when the reading of it ends."""
        self._file = file
        self.result: Result | None = None
        self._question = question
        self._session = session
        self._draft = draft
        self._control = control
        self._conversation = control.conversation
        digests = tuple(reference.digest for reference in question.references)
        task = Task(question.messages, question.images, question.sampling, digests)
        self._ahead = Ahead(task, session, draft, control)
        self._text = TextStream(draft.vlm.tokenizer.decode, question.sampling.stop)
        self._unread: list[int] = []  # committed ids whose text no piece holds yet
        self.log_probabilities: list[float] = []  # of the committed ids, if asked for

    @property
    def provisional(self) -> str:
        """What the device expects next, beyond the pieces given out: it may never come. Costs only who asks."""
        return self._text.ahead(self._conversation.path)

    @property
    def request(self) -> str:
        """Its name in the logs of both ends."""
        return self._session.request

    @property
    def connected(self) -> bool:
        """Whether there is a stream to the edge now."""
        return self._session.connected

    def figures(self) -> Figures:
        """What it has come to so far."""
        told = self._conversation.told
        return replace(self._session.recorder.figures(), beside=told.beside, beside_stood=told.stood)

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """The text as it is confirmed. Raises what ended the answer early."""
        async with aclosing(self.events()) as events:
            async for event in events:
                if isinstance(event, Piece):
                    yield event

    async def events(self) -> AsyncGenerator[Piece | Queued | Provisional, None]:
        """The text as it is confirmed, and before it the place in line at a full edge whenever that changes.

        If the draft goes on alone while the edge is away, that comes between the pieces, as provisional.
        """
        said: list[str] = []
        kept = nullcontext() if self._file is None else self._file.kept()
        async with kept, aclosing(self._messages()) as messages, self._ahead.running():
            async for message in messages:
                if isinstance(message, Queued | Provisional):
                    yield message
                for piece in self._take(message):
                    said.append(piece.text)
                    yield piece
                if isinstance(message, Finished):
                    self._finish("".join(said), message.reason)

    def _messages(self) -> AsyncGenerator[FromEdge | Away | Provisional, None]:
        messages = self._session.messages(self._conversation)
        draft, question = self._draft, self._question
        if not draft.alone or not draft.drafting:
            return messages
        understudy = Understudy(
            draft.vlm,
            draft.thread,
            draft.common_ids,
            lambda: Drafter(draft.vlm, question.messages, question.images),
            self._session.log,
        )

        def speak() -> AsyncGenerator[Provisional, None]:
            assert self._session.opened is not None
            return understudy.speak(self._conversation.committed, self._session.opened.sampling)

        return filled(messages, speak)

    def _take(self, message: object) -> Iterator[Piece]:
        match message:
            case Opened():
                self._ahead.opened(message.sampling)
            case Attended():
                self._ahead.attended(message)
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
        self._session.recorder.taken(self._control.heard(commit, monotonic()))
        if commit.residual is not None:
            self._correct(commit.residual)
        if any(token >= self._draft.vlm.info.rows for token in commit.ids):
            self._ahead.stop("the target said a token that the draft does not know")
        self._ahead.committed()
        for token, source in zip(commit.ids, _sources(commit), strict=True):
            self._unread.append(token)
            if text := self._text.push(token):
                yield self._piece(text, source)

    def _correct(self, row: ResidualRow) -> None:
        """Draw what takes the place of a rejected proposal, or ask for more of the row."""
        conversation, opened = self._conversation, self._session.opened
        if conversation.refused is None or opened is None:
            return
        position = len(conversation.committed)
        token = corrected(row, conversation.refused, opened.sampling.seed, position)
        if token is not None:
            self._session.recorder.taken(self._control.correct(token))
            self._session.recorder.redrawn += 1
        if token is None or self._ahead.over:
            self._session.propose(conversation)

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
        figures = self.figures()
        self.result = Result(text, ids, reason, opened.sampling, figures, opened.prompt_tokens, told)
        brief = facts(outcome=reason.value, tokens=len(ids), seconds=figures.seconds, reconnects=figures.reconnects)
        self._session.log.info("answer over", extra=brief)


def _sources(commit: Commit) -> list[Source]:
    """Who said each of the commit's ids: every step's accepted proposals, then one of the target's own."""
    said = [source for count in commit.accepted for source in (*[Source.DRAFT] * count, Source.TARGET)]
    return (said + [Source.TARGET] * len(commit.ids))[: len(commit.ids)]
