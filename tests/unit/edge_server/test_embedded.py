"""The engine's thread: what is asked is done between steps, what is over holds nothing, what comes too late is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import TypeVar

import pytest

from edge_server.engine.embedded import EmbeddedEngine
from edge_server.engine.embedded_answer import EmbeddedAnswer
from edge_server.engine.offers import Offers
from edge_server.engine.port import News, Request
from shared.errors import EngineFailure, InvalidValue, PromptTooLong, Unavailable
from shared.speculation.edge import Rules
from shared.speculation.messages import Commit, Finished, FinishReason, Pace, Propose, Yield
from shared.speculation.request import Message, SamplingWish, Text
from tests.support.system import alone, asked, counted_target, eventually, nothing_alive, toy_target
from tests.support.toys import Steps

Result = TypeVar("Result")

REQUEST = Request(
    (Message("user", (Text("what is it?"),)),), (), SamplingWish(temperature=0, max_tokens=30), 0, Pace.EAGER
)
TOLD = alone(toy_target(), asked("what is it?", max_tokens=30))


def offers(request: Request = REQUEST, max_ahead: int = 100) -> Offers:
    return Offers(Rules(16, max_ahead, 256), request.committed, monotonic)


@asynccontextmanager
async def running(steps: Steps | None = None) -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(lambda: counted_target(steps or Steps()))
    await engine.start()
    yield engine
    await engine.stop()
    await nothing_alive()


async def told(answer: EmbeddedAnswer) -> list[News]:
    return [news async for news in answer.news()]


async def test_an_answer_is_the_targets_own() -> None:
    async with running() as engine:
        *commits, finished = await told(await engine.open(REQUEST, offers()))
        assert tuple(token for commit in commits if isinstance(commit, Commit) for token in commit.ids) == TOLD
        assert isinstance(finished, Finished)


async def test_what_is_committed_already_is_not_said_again() -> None:
    async with running() as engine:
        for length in range(0, len(TOLD), 5):
            request = replace(REQUEST, committed=TOLD[:length])
            *commits, finished = await told(await engine.open(request, offers(request)))
            assert tuple(token for commit in commits for token in commit.ids) == TOLD[length:]  # type: ignore[union-attr]
            assert finished == Finished(FinishReason.LENGTH if len(TOLD) == 30 else FinishReason.EOS, len(TOLD))


async def test_an_answer_that_was_complete_is_finished_without_a_step() -> None:
    steps = Steps()
    async with running(steps) as engine:
        request = replace(REQUEST, committed=TOLD)
        (finished,) = await told(await engine.open(request, offers(request)))
        assert isinstance(finished, Finished)
        assert finished.length == len(TOLD)
        assert steps.count == 0


class Asked(EmbeddedEngine):
    """Counts what its thread was asked to do."""

    times = 0

    async def ask(self, job: Callable[[], Result]) -> Result:
        self.times += 1
        return await super().ask(job)


async def test_an_opening_that_is_cancelled_while_the_engine_prepares_it_leaves_no_session() -> None:
    release, engine = threading.Event(), Asked(toy_target)
    await engine.start()
    before = engine.times
    busy = asyncio.create_task(engine.ask(release.wait))
    opening = asyncio.create_task(engine.open(REQUEST, offers(max_ahead=4)))  # it would never end by itself
    await eventually(lambda: engine.times, before + 2)
    prepared = asyncio.create_task(engine.ask(lambda: engine.sessions))  # right after the session was made
    await eventually(lambda: engine.times, before + 3)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    release.set()
    assert await busy
    assert await prepared == 1
    await eventually(lambda: engine.sessions, 0)
    await engine.stop()
    await nothing_alive()


async def test_news_that_wait_are_told_as_one() -> None:
    steps = Steps()
    async with running(steps) as engine:
        answer = await engine.open(REQUEST, offers(max_ahead=6))
        await eventually(lambda: steps.count, 7)
        await engine.ask(lambda: None)
        news = answer.news()
        commit = await anext(news)
        assert isinstance(commit, Commit)
        assert (commit.ids, commit.accepted) == (TOLD[:6], (0,) * 6)
        await news.aclose()
        await answer.close()


async def test_what_a_resume_repeats_is_not_mixed_with_steps() -> None:
    steps = Steps()
    async with running(steps) as engine:
        answer = await engine.open(REQUEST, offers(max_ahead=6))
        await eventually(lambda: steps.count, 7)
        await answer.park()
        await answer.resume(seen=3)
        await eventually(lambda: steps.count, 10)
        await engine.ask(lambda: None)
        news = answer.news()
        assert await anext(news) == Commit(3, TOLD[3:6])
        commit = await anext(news)
        assert isinstance(commit, Commit)
        assert (commit.start, commit.ids, commit.accepted) == (6, TOLD[6:9], (0,) * 3)
        await news.aclose()
        await answer.close()


async def test_an_idle_engine_goes_on_with_an_answer_of_pace_auto_whose_device_is_silent() -> None:
    async with running() as engine:
        *commits, finished = await told(await engine.open(replace(REQUEST, pace=Pace.AUTO), offers()))
        assert tuple(token for commit in commits if isinstance(commit, Commit) for token in commit.ids) == TOLD
        assert isinstance(finished, Finished)


async def test_a_word_during_the_first_step_is_not_missed() -> None:
    steps = Steps()
    async with running(steps) as engine:
        steps.hold()
        request, mailbox = replace(REQUEST, pace=Pace.THRIFTY), offers()
        answer = await engine.open(request, mailbox)
        steps.let_go()
        mailbox.hear(Yield(True))
        assert isinstance((await told(answer))[-1], Finished)


async def test_a_mailbox_wakes_the_engine_from_the_very_first() -> None:
    async with running() as engine:
        mailbox = offers()
        woken = mailbox.wake
        opening = asyncio.create_task(engine.open(replace(REQUEST, pace=Pace.THRIFTY), mailbox))
        await asyncio.sleep(0)
        assert mailbox.wake is not woken  # before the session exists, or a proposal could wait unheard
        mailbox.hear(Propose(0, 0, TOLD[:3]))
        answer = await opening
        told: list[int] = []
        async for commit in answer.news():
            assert isinstance(commit, Commit)
            told += commit.ids
            if len(told) >= 4:  # the prefill's own token, and a step over what agreed with it
                break
        assert tuple(told[:4]) == TOLD[:4]
        await answer.close()


async def test_whoever_reads_on_after_a_resume_reads_the_end() -> None:
    async with running() as engine:
        answer = await engine.open(replace(REQUEST, pace=Pace.THRIFTY), offers())
        old = answer.news()
        await anext(old)
        await answer.park()
        await answer.resume(seen=0)
        assert [news async for news in old] == []
        new = answer.news()
        assert await anext(new) == Commit(0, TOLD[:1])
        await answer.finish(FinishReason.CANCELLED)
        assert [news async for news in new] == [Finished(FinishReason.CANCELLED, 1)]


async def test_closing_is_heard_by_who_waits_and_may_be_said_again() -> None:
    async with running() as engine:
        answer = await engine.open(replace(REQUEST, pace=Pace.THRIFTY), offers())
        waiting = asyncio.create_task(told(answer))
        await answer.close()
        await answer.close()
        await answer.park()
        assert isinstance((await waiting)[-1], Finished)
        assert engine.sessions == 0


async def test_who_is_cancelled_while_the_prompt_is_made_leaves_no_session() -> None:
    steps = Steps()
    async with running(steps) as engine:
        steps.hold()
        occupying = asyncio.create_task(engine.ask(lambda: steps(0.0)))
        await eventually(lambda: steps.count, 1)
        opening = asyncio.create_task(engine.open(REQUEST, offers()))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        steps.let_go()
        await occupying
        await eventually(lambda: engine.sessions, 0)


async def test_a_step_that_breaks_is_told_without_its_reason_and_again_to_who_resumes() -> None:
    engine = EmbeddedEngine(lambda: counted_target(Steps(bomb=4)))
    await engine.start()
    answer = await engine.open(REQUEST, offers())
    with pytest.raises(EngineFailure, match=r"^the engine failed: RuntimeError$"):
        await told(answer)
    assert engine.sessions == 0
    await answer.park()
    await answer.resume(seen=0)
    with pytest.raises(EngineFailure, match=r"^the engine failed: RuntimeError$"):
        await told(answer)
    await engine.stop()


@pytest.mark.parametrize(
    ("request_", "error", "sentence"),
    [
        (replace(REQUEST, committed=(256,)), InvalidValue, "open.committed is 256"),
        (replace(REQUEST, committed=(1,)), InvalidValue, "open.committed is 1: stands for a picture"),
        (replace(REQUEST, committed=(30,) * 31), InvalidValue, "ended after 30"),
        (replace(REQUEST, wish=SamplingWish(logit_bias=((300, 1.0),))), InvalidValue, "logit_bias is 300"),
        (replace(REQUEST, messages=(Message("user", (Text("w " * 5000),)),)), PromptTooLong, "5002"),
        (replace(REQUEST, messages=()), InvalidValue, "at least one message"),
    ],
)
async def test_a_request_that_cannot_be_answered_is_refused(
    request_: Request, error: type[Exception], sentence: str
) -> None:
    async with running() as engine:
        with pytest.raises(error, match=sentence):
            await engine.open(request_, offers(request_))
        assert engine.sessions == 0


async def test_what_is_asked_after_the_end_is_refused_and_waits_for_nobody() -> None:
    engine = EmbeddedEngine(toy_target)
    with pytest.raises(Unavailable, match="loading"):
        _ = engine.info
    await engine.start()
    await engine.open(REQUEST, offers())
    await engine.stop()
    await engine.stop()
    with pytest.raises(Unavailable, match="shutting down"):
        await engine.open(REQUEST, offers())
    assert engine.sessions == 0
    await nothing_alive()


async def test_a_load_that_breaks_ends_the_thread() -> None:
    def broken() -> object:
        raise RuntimeError("a secret of the machine room")

    engine = EmbeddedEngine(broken)  # type: ignore[arg-type]
    with pytest.raises(EngineFailure, match=r"^the engine failed: RuntimeError$"):
        await engine.start()
    await eventually(lambda: any(thread.name == "engine" for thread in threading.enumerate()), False)
