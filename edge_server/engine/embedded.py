"""The embedded engine: one thread owns a model of `shared.vlm`; each step is one forward for all that may step.

Guarantees: the event loop never runs a forward; a session that breaks takes no other one with it; whatever is closed
holds no cache once `close` has returned. What a step takes is `batch`'s choice.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

from edge_server.engine.batch import Batch, Batching
from edge_server.engine.embedded_answer import EmbeddedAnswer
from edge_server.engine.events import Observer, step
from edge_server.engine.inbox import Inbox
from edge_server.engine.journal import Journal
from edge_server.engine.offers import Offers
from edge_server.engine.outbox import Outbox
from edge_server.engine.plan import Forward, Plan
from edge_server.engine.port import Request
from edge_server.engine.prompts import Prepared, Prompts
from edge_server.engine.session import Session, Work
from edge_server.engine.sights import Sights
from edge_server.engine.turns import Ready, Turns
from shared.errors import EngineFailure, Unavailable
from shared.logs import about
from shared.speculation.messages import Commit, FinishReason, Pace, Rule
from shared.vlm.port import ModelInfo, Vlm
from shared.vlm.remains import Remains
from shared.vlm.single import answer_once

log = logging.getLogger(__name__)
Result = TypeVar("Result")
_LOADING = "the edge is loading its model; try again in a moment"


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
        remains: Remains | None = None,  # None: ended answers leave nothing
    ) -> None:
        self.paces = (Pace.EAGER, Pace.THRIFTY, Pace.AUTO) if batching.proposals else (Pace.EAGER,)
        self.rules = (Rule.COUPLED, Rule.REJECTION) if batching.proposals else (Rule.COUPLED,)
        self.trees = batching.proposals
        self.attends = True
        self._load = load
        self._batch = Batch(batching)
        self._sights = Sights(batching.sight_tokens)
        self._remains = Remains(0) if remains is None else remains
        self._observer = observer
        self._clock = clock
        self._vlm: Vlm | None = None
        self._fingerprint: bytes | None = None
        self._turns = Turns(batching.turn, self._batch.alone)
        self._inbox = Inbox()
        self._prompts = Prompts()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def info(self) -> ModelInfo:
        """The model. Raises Unavailable while it loads."""
        return self._model.info

    @property
    def fingerprint(self) -> bytes:
        """What tells the model from others. Raises Unavailable while it loads."""
        if self._fingerprint is None:
            raise Unavailable(_LOADING)
        return self._fingerprint

    async def start(self) -> None:
        """Load the model. Raises ModelError; the thread ends then."""
        self._thread.start()
        try:
            await self.ask(self._load_model)
        except BaseException:
            self._inbox.end(self._close)
            await self._prompts.close()
            raise

    async def warm_up(self) -> None:
        """Answer a question once, so that the first real one does not wait for what a model does once only.

        And so that a model that cannot answer is found now. It leaves no trace. Raises EngineFailure.
        """
        await self.ask(lambda: answer_once(self._model))

    async def stop(self) -> None:
        """End the thread after the step that runs, and every session with it."""
        self._inbox.end(self._close)
        await asyncio.to_thread(self._thread.join)
        await self._prompts.close()

    async def open(self, request: Request, offers: Offers) -> EmbeddedAnswer:
        """Begin an answer. Raises InvalidValue, PromptTooLong, EngineFailure."""
        # Before the session exists: what is heard during its first step must not be missed.
        offers.wake = self._inbox.wake
        made = await self._prompts.make(self._model, request)
        del request  # its text and its pictures
        outbox = Outbox()
        preparing = asyncio.ensure_future(self.ask(lambda: self._prepare(made, offers, outbox)))
        try:
            session = await asyncio.shield(preparing)
        except asyncio.CancelledError:  # the stream is gone; the session that is being made must not stay
            preparing.add_done_callback(self._discard_prepared)
            raise
        return EmbeddedAnswer(session, outbox, self.ask, self.discard)

    def forget(self) -> None:
        """Drop what ended answers have left, and let none leave anything from now on."""
        self._inbox.put(self._remains.close)

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
            now = self._clock()
            waits = [wait for wait in (self._turns.wait(now), self._remains.wait(now)) if wait is not None]
            self._inbox.obey(min(waits, default=None))
            self._remains.expire(self._clock())
            ready = self._turns.ready(self._clock())
            if ready.wanting:
                self._step(ready)

    def _step(self, ready: Ready) -> None:
        """See the pictures of one new session, then one forward for all that is chosen."""
        new = next((session for session in ready.wanting if not session.begun), None)
        if new is not None:
            with self._alone(new):
                begin = self._clock()
                visual = self._with_room(lambda: self._sights.see(self._model, new))
                new.begin(visual, lambda decoder: self._remains.adopt(new.request.tenant, decoder, self._clock()))
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
        cached = sum(session.cached for session, _ in plan.chosen)
        begin = self._clock()
        rows = self._with_room(lambda: self._model.step([work.block for work in plan.works]))
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

    def _with_room(self, forward: Callable[[], Result]) -> Result:
        """What `forward` yields. If memory is short, what ended answers have left goes, and it is tried again."""
        try:
            return forward()
        except torch.OutOfMemoryError:  # it has changed nobody's cache
            if not self._remains.clear():
                raise
        return forward()

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

    def _prepare(self, made: Prepared, offers: Offers, outbox: Outbox) -> Session:
        session = Session.prepare(self._model, made, offers, outbox.put, self._batch.everybody)
        tenant = made.request.tenant
        session.leave = lambda decoder: self._remains.leave(tenant, decoder, self._clock())
        if made.request.trace:
            session.journal = Journal(self._clock)
        self._turns.sessions.append(session)
        return session

    def _discard_prepared(self, preparing: asyncio.Future[Session]) -> None:
        if not preparing.cancelled() and preparing.exception() is None:
            self._inbox.put(partial(self.discard, preparing.result()))

    def _load_model(self) -> None:
        vlm = self._load()
        self._fingerprint = vlm.fingerprint()  # before its first forward: some models change their weights' form then
        self._vlm = vlm

    @property
    def _model(self) -> Vlm:
        if self._vlm is None:
            raise Unavailable(_LOADING)
        return self._vlm

    def _close(self) -> None:
        self._closing = True
        self._remains.close()
        for session in list(self._turns.sessions):
            self.discard(session)
