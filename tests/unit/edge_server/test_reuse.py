"""An engine whose ended answers leave their caches: what is taken, when nothing is left, and when it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

import pytest
import torch

from edge_server.engine.batch import Batching
from edge_server.engine.embedded import EmbeddedEngine
from edge_server.engine.events import Step
from edge_server.engine.offers import Offers
from edge_server.engine.port import Request
from shared.errors import EngineFailure
from shared.speculation.edge import Rules
from shared.speculation.messages import Commit, Finished, FinishReason, Pace
from shared.speculation.request import Message, SamplingWish, Text
from shared.vlm.remains import Remains
from tests.support.system import alone, asked, counted_target, eventually, nothing_alive, toy_target
from tests.support.toys import Steps

WORDS = "what is it, and what was it before it was that?"
REQUEST = Request((Message("user", (Text(WORDS),)),), (), SamplingWish(temperature=0, max_tokens=30), 0, Pace.EAGER)
TOLD = alone(toy_target(), asked(WORDS, max_tokens=30))
PROMPT = len(toy_target().prepare(REQUEST.messages, ()).ids)


@dataclass
class Edge:
    """An engine, what it keeps, and the steps it has told of."""

    remains: Remains
    steps: Steps
    seen: list[Step] = field(default_factory=list)
    batching: Batching = Batching()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        self.engine = EmbeddedEngine(
            lambda: counted_target(self.steps), self.batching, self.seen.append, remains=self.remains
        )

    async def answer(self, request: Request = REQUEST) -> tuple[int, ...]:
        """The ids of a whole answer."""
        answer = await self.engine.open(request, Offers(Rules(16, 100, 256), request.committed, monotonic))
        ids = [token async for news in answer.news() if isinstance(news, Commit) for token in news.ids]
        await answer.close()
        return tuple(ids)

    @property
    def reused(self) -> list[int]:
        """How many tokens each answer so far did not take."""
        return [step.reused_tokens for step in self.seen if step.begun_tokens]


@asynccontextmanager
async def running(edge: Edge) -> AsyncIterator[Edge]:
    await edge.engine.start()
    yield edge
    await edge.engine.stop()
    await nothing_alive()


async def test_what_an_answer_leaves_the_next_one_does_not_take() -> None:
    async with running(Edge(Remains(10**6), Steps())) as edge:
        assert [await edge.answer() for _ in range(3)] == [TOLD] * 3
        assert edge.reused == [0, PROMPT - 1, PROMPT - 1]
        assert sum(step.prompt_tokens for step in edge.seen) == PROMPT + 2
        assert sum(step.begun_tokens for step in edge.seen) == 3 * PROMPT
        assert len(edge.remains) == 1  # the same answer thrice


async def test_an_answer_of_another_tenant_takes_nothing() -> None:
    async with running(Edge(Remains(10**6), Steps())) as edge:
        for tenant in ("alice", "bob", "alice"):
            assert await edge.answer(replace(REQUEST, tenant=tenant)) == TOLD
        assert edge.reused == [0, 0, PROMPT - 1]


async def test_an_answer_that_was_lost_goes_on_from_what_it_left() -> None:
    async with running(Edge(Remains(10**6), Steps())) as edge:
        assert await edge.answer() == TOLD
        assert await edge.answer(replace(REQUEST, committed=TOLD[:7])) == TOLD[7:]
        assert edge.reused == [0, PROMPT - 1]


async def test_an_answer_leaves_nothing_before_its_prompt_is_taken() -> None:
    async with running(Edge(Remains(10**6), Steps(), batching=Batching(prefill_chunk=2))) as edge:
        edge.steps.hold()
        answer = await edge.engine.open(REQUEST, Offers(Rules(16, 100, 256), (), monotonic))
        await eventually(lambda: edge.steps.count, 1)
        finishing = asyncio.create_task(answer.finish(FinishReason.CANCELLED))
        await asyncio.sleep(0)  # it is asked before the second step begins
        edge.steps.let_go()
        await finishing
        assert [type(news) async for news in answer.news()] == [Finished]
        assert len(edge.remains) == 0
        await answer.close()


async def test_an_answer_that_breaks_leaves_nothing() -> None:
    edge = Edge(Remains(10**6), Steps(bomb=8))
    await edge.engine.start()
    with pytest.raises(EngineFailure):
        await edge.answer()
    assert len(edge.remains) == 0
    await edge.engine.stop()


async def test_an_idle_engine_drops_what_nobody_has_used() -> None:
    async with running(Edge(Remains(10**6, seconds=0.05), Steps())) as edge:
        assert await edge.answer() == TOLD
        await eventually(lambda: (len(edge.remains), edge.remains.nbytes), (0, 0))


async def test_who_is_told_to_forget_keeps_nothing() -> None:
    async with running(Edge(Remains(10**6), Steps())) as edge:
        assert await edge.answer() == TOLD
        assert len(edge.remains) == 1
        edge.engine.forget()
        assert await edge.answer() == TOLD
        assert (len(edge.remains), edge.reused) == (0, [0, 0])


class Full(Steps):
    """Memory is short in the next forward when it is `armed`, and in that one only."""

    armed = False

    def __call__(self, seconds: float) -> None:
        """A forward."""
        super().__call__(seconds)
        if self.armed:
            self.armed = False
            raise torch.OutOfMemoryError("none left")


async def test_where_memory_is_short_what_is_left_goes_before_any_answer() -> None:
    steps = Full()
    edge = Edge(Remains(10**6), steps)
    await edge.engine.start()
    assert await edge.answer() == TOLD
    steps.armed = True
    assert await edge.answer() == TOLD  # in seeing: nothing is left to begin with
    assert edge.reused == [0, 0]
    assert await edge.answer() == TOLD
    assert edge.reused == [0, 0, PROMPT - 1]
    edge.engine.forget()
    steps.armed = True
    with pytest.raises(EngineFailure, match="OutOfMemoryError"):
        await edge.answer()
    await edge.engine.stop()
