"""The embedded engine: one thread owns a model of `shared.vlm`; each step is one forward for all that may step.

Guarantees: the event loop never runs a forward; a session that breaks takes no other one with it; whatever is closed
holds no cache once `close` has returned. What a step takes is `batch`'s choice.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from PIL import Image
from torch import Tensor

from edge_server.engine.batch import Batch, Batching
from edge_server.engine.events import Observer, step
from edge_server.engine.inbox import Inbox
from edge_server.engine.journal import Journal
from edge_server.engine.offers import Offers
from edge_server.engine.outbox import Outbox
from edge_server.engine.plan import Plan
from edge_server.engine.port import News, Request, Terms
from edge_server.engine.session import Session, Work
from edge_server.engine.sights import Sights
from edge_server.engine.turns import Ready, Turns
from shared.errors import EngineFailure, Unavailable
from shared.logs import about
from shared.speculation.messages import Commit, Finished, FinishReason, Pace, Rule
from shared.speculation.request import Message, Picture, Text
from shared.vlm.port import ModelInfo, Vlm
from shared.vlm.single import extend, prefill

log = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Forward:
    """A forward that is over: each one's rows of logits, and how many tokens the caches held when it began."""

    plan: Plan
    rows: list[Tensor]
    begin: float
    seconds: float
    cached: int


class EmbeddedEngine:
    """Steps a model on a thread of its own. `load` runs on that thread, and `observer` after each step.

    An observer that raises ends no answer; it is told of no more steps.
    """

    def __init__(
        self,
        load: Callable[[], Vlm],
        batching: Batching = Batching(),  # noqa: B008 - frozen
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.paces = (Pace.EAGER, Pace.THRIFTY, Pace.AUTO) if batching.proposals else (Pace.EAGER,)
        self.rules = (Rule.COUPLED, Rule.REJECTION) if batching.proposals else (Rule.COUPLED,)
        self.attends = True
        self._load = load
        self._batch = Batch(batching)
        self._sights = Sights(batching.sight_tokens)
        self._observer = observer
        self._clock = clock
        self._vlm: Vlm | None = None
        self._turns = Turns(batching.turn, self._batch.alone)
        self._inbox = Inbox()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def info(self) -> ModelInfo:
        """The model. Raises Unavailable while it loads."""
        if self._vlm is None:
            raise Unavailable("the edge is loading its model; try again in a moment")
        return self._vlm.info

    async def start(self) -> None:
        """Load the model. Raises ModelError; the thread ends then."""
        self._thread.start()
        try:
            await self.ask(self._load_model)
        except BaseException:
            self._inbox.end(self._close)
            raise

    async def warm_up(self) -> None:
        """Answer a question once, so that the first real one does not wait for what a model does once only.

        And so that a model that cannot answer is found now. It leaves no trace. Raises EngineFailure.
        """
        await self.ask(self._answer_once)

    async def stop(self) -> None:
        """End the thread after the step that runs, and every session with it."""
        self._inbox.end(self._close)
        await asyncio.to_thread(self._thread.join)

    async def open(self, request: Request, offers: Offers) -> EmbeddedAnswer:
        """Begin an answer. Raises InvalidValue, PromptTooLong, EngineFailure."""
        outbox = Outbox()
        # Before the session exists: what is heard during its first step must not be missed.
        offers.wake = self._inbox.wake
        preparing = asyncio.ensure_future(self.ask(lambda: self._prepare(request, offers, outbox)))
        try:
            session = await asyncio.shield(preparing)
        except asyncio.CancelledError:  # the stream is gone; the session that is being made must not stay
            preparing.add_done_callback(self._discard_prepared)
            raise
        return EmbeddedAnswer(self, session, outbox)

    async def ask(self, job: Callable[[], Result]) -> Result:
        """Run `job` on the engine's thread between two steps. Raises Unavailable once the engine is stopped."""
        return await self._inbox.ask(job)

    def discard(self, session: Session) -> None:
        """Free a session. On the engine's thread."""
        session.finish(FinishReason.CANCELLED)
        if session in self._turns.sessions:
            self._turns.sessions.remove(session)

    @property
    def sessions(self) -> int:
        """Sessions that hold anything, parked ones included."""
        return len(self._turns.sessions)

    def _run(self) -> None:
        while not self._closing:
            self._inbox.obey(self._turns.wait(self._clock()))
            ready = self._turns.ready(self._clock())
            if ready.wanting:
                self._step(ready)

    def _step(self, ready: Ready) -> None:
        """See the pictures of one new session, then one forward for all that is chosen."""
        assert self._vlm is not None
        new = next((session for session in ready.wanting if not session.begun), None)
        if new is not None:
            with self._alone(new):
                begin = self._clock()
                new.begin(self._sights.see(self._vlm, new))
                if new.journal is not None:
                    new.journal.saw(begin)
        wanting = [session for session in ready.wanting if session.ended is None]
        plan = self._batch.choose(wanting, ready.followers)
        together = self._together(plan)
        if together is not None:
            self._settle(together)
        else:
            for each in plan.apart():
                with self._alone(each.chosen[0][0]):
                    self._settle(self._forward(each))
        for session, _ in plan.chosen:
            with self._alone(session):
                session.attend()
        self._turns.served([session for session, _ in plan.chosen], self._clock())

    def _together(self, plan: Plan) -> Forward | None:
        """One forward for several; None if there are not several, or if somebody's work broke it for all.

        A forward that breaks has changed nobody's cache: each can be tried alone.
        """
        if len(plan.chosen) < 2:
            return None
        try:
            return self._forward(plan)
        except Exception:
            log.exception("a step of %d answers failed; trying each alone", len(plan.chosen))
            return None

    def _forward(self, plan: Plan) -> Forward:
        assert self._vlm is not None
        cached = sum(session.cached for session, _ in plan.chosen)
        begin = self._clock()
        rows = self._vlm.step([work.block for work in plan.works])
        return Forward(plan, rows, begin, self._clock() - begin, cached)

    def _settle(self, forward: Forward) -> None:
        """Commit what the forward says of each session; then learn from it, and tell who watches."""
        done: list[tuple[Work, Commit | None]] = []
        stood: dict[Session, int] = {}
        for (session, work), rows in zip(forward.plan.chosen, forward.rows, strict=True):
            with self._alone(session):
                if session.journal is not None:
                    proposals = 0 if work.offer is None else len(work.offer.pending.ids)
                    session.journal.stepped(forward.begin, forward.seconds, work.block.prompt, proposals)
                commit = session.done(work, rows, forward.seconds)
                done.append((work, commit))
                if commit is not None:
                    stood[session] = commit.accepted[0]
        try:
            seen = self._batch.saw(forward.plan, forward.seconds, forward.cached, stood)
        except Exception:
            log.exception("nothing was learned from a step")
            return
        if self._observer is not None:
            try:
                self._observer(step(seen, done))
            except Exception:
                log.exception("whoever watches the steps has failed, and is told of no more")
                self._observer = None

    @contextmanager
    def _alone(self, session: Session) -> Iterator[None]:
        """What breaks in here ends this session and no other."""
        try:
            yield
        except Exception as broken:
            log.exception("an answer failed", extra=about(session.request.name))
            if session in self._turns.sessions:
                self._turns.sessions.remove(session)
            session.fail(EngineFailure(f"the engine failed: {type(broken).__name__}"))

    def _prepare(self, request: Request, offers: Offers, outbox: Outbox) -> Session:
        if self._vlm is None:
            raise Unavailable("the edge is loading its model; try again in a moment")
        session = Session.prepare(self._vlm, request, offers, outbox.put, self._batch.everybody)
        if request.trace:
            session.journal = Journal(self._clock)
        self._turns.sessions.append(session)
        return session

    def _discard_prepared(self, preparing: asyncio.Future[Session]) -> None:
        if not preparing.cancelled() and preparing.exception() is None:
            self._inbox.put(partial(self.discard, preparing.result()))

    def _load_model(self) -> None:
        self._vlm = self._load()

    def _answer_once(self) -> None:
        assert self._vlm is not None
        message = Message("user", (Picture(0), Text("Hello.")))
        prompt = self._vlm.prepare((message,), (Image.new("RGB", (64, 64), "gray"),))
        decoder, rows = prefill(self._vlm, prompt, self._vlm.see(prompt))
        extend(self._vlm, decoder, [int(rows[-1].argmax())])

    def _close(self) -> None:
        self._closing = True
        for session in list(self._turns.sessions):
            self.discard(session)


class EmbeddedAnswer:
    """One session of the embedded engine, as the service holds it."""

    def __init__(self, engine: EmbeddedEngine, session: Session, outbox: Outbox) -> None:
        self.terms: Terms = session.terms
        self._engine = engine
        self._session = session
        self._outbox = outbox

    async def news(self) -> AsyncGenerator[News, None]:
        """Commits, waiting ones merged, and at the end Finished. Ends without Finished once parked or closed."""
        outbox = self._outbox
        while (item := await outbox.get()) is not None:
            yield item
            if isinstance(item, Finished):
                return

    async def finish(self, reason: FinishReason) -> None:
        """End the answer where it stands: Finished(reason) comes as its last news."""
        await self._engine.ask(lambda: self._session.finish(reason))

    async def park(self) -> None:
        """Stop stepping, keep the cache."""
        outbox = self._outbox
        await self._engine.ask(self._park)
        outbox.end()

    async def resume(self, seen: int) -> None:
        """Go on for a device that has `seen` tokens; the news from before end. Raises OutOfStep."""
        self._outbox.end()
        self._outbox = outbox = Outbox()
        await self._engine.ask(lambda: self._resume(seen, outbox))

    async def close(self) -> None:
        """Free everything at once."""
        await self._engine.ask(lambda: self._engine.discard(self._session))
        self._outbox.end()

    def _park(self) -> None:
        self._session.parked = True

    def _resume(self, seen: int, outbox: Outbox) -> None:
        session = self._session
        outbox.put(session.offers.resume(seen))
        session.deliver = outbox.put
        session.parked = False
        if session.attended is not None:
            outbox.put(session.attended)
        if session.ended is not None:
            outbox.put(session.ended)
