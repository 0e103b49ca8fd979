"""What is told of a step adds up to what its answers read; who watches badly ends none of them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from edge_server.engine import events
from edge_server.engine.batch import Batch, Batching
from edge_server.engine.embedded import EmbeddedEngine
from edge_server.engine.events import Foretold, Observer, Seen, Step
from edge_server.engine.offers import Offer, Offers
from edge_server.engine.plan import Look, Plan
from edge_server.engine.port import Request
from edge_server.engine.session import Work
from edge_server.event_file import event_file
from shared.errors import InvalidValue
from shared.speculation.edge import Rules
from shared.speculation.messages import Commit, Pace, Propose
from shared.speculation.pending import Pending
from shared.speculation.request import Message, SamplingWish, Text
from shared.vlm.port import Block
from shared.vlm.single import prefill
from tests.support.system import alone, asked, counted_target, eventually, toy_target
from tests.support.toys import Steps

WORDS = ("what is it?", "what was it?", "what will it be, when all of it has come?")
WISHES = {"ignore_eos": True, "max_tokens": 60}
TOLD = [alone(toy_target(), asked(words, **WISHES)) for words in WORDS]


def question(words: str) -> Request:
    wish = SamplingWish(temperature=0, ignore_eos=True, max_tokens=60)
    return Request((Message("user", (Text(words),)),), (), wish, 0, Pace.EAGER)


@asynccontextmanager
async def running(observer: Observer, steps: Steps, batching: Batching) -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(lambda: counted_target(steps), batching, observer)
    await engine.start()
    yield engine
    await engine.stop()


async def answer(engine: EmbeddedEngine, number: int, wrong_at: int) -> list[Commit]:
    """Read an answer whose device proposes four tokens after each commit; one place of `wrong_at` is wrong."""
    request = question(WORDS[number])
    offers = Offers(Rules(16, 100, 256), request.committed, monotonic)
    commits: list[Commit] = []
    async for news in (await engine.open(request, offers)).news():
        if not isinstance(news, Commit):
            break
        commits.append(news)
        end = news.start + len(news.ids)
        ids = [(token, 40)[(end + i) % wrong_at == 0] for i, token in enumerate(TOLD[number][end : end + 4])]
        offers.hear(Propose(end, end, tuple(ids)))
    assert tuple(token for commit in commits for token in commit.ids) == TOLD[number]
    return commits


async def answers(observer: Observer, bomb: int | None = None, proposals: bool = True) -> list[list[Commit]]:
    steps = Steps(bomb=bomb)
    async with running(observer, steps, Batching(prefill_chunk=5, proposals=proposals)) as engine:
        steps.hold()  # until all three have asked
        asking = [asyncio.create_task(answer(engine, number, wrong_at=3 + number)) for number in range(len(WORDS))]
        await eventually(lambda: steps.count, 1)
        steps.let_go()
        return await asyncio.gather(*asking)


def assert_they_add_up(steps: list[Step], commits: list[list[Commit]]) -> None:
    accepted = [count for each in commits for commit in each for count in commit.accepted]
    assert sum(step.stood for step in steps) == sum(accepted)
    assert sum(step.committed for step in steps) == sum(map(len, TOLD))
    for depth in range(4):
        assert sum((*step.stood_by_depth, *[0] * 9)[depth] for step in steps) == sum(n > depth for n in accepted)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        assert step.stood <= step.admitted <= step.waiting
        assert step.running <= len(WORDS)
        if step.prompt_tokens == 0:
            assert step.output_tokens == step.running + step.admitted  # each takes its last token, and proposals
        if step.look in (Look.AWAY, Look.OFF):
            assert step.admitted == 0


async def test_steps_add_up_to_what_the_commits_say() -> None:
    steps: list[Step] = []
    commits = await answers(steps.append)
    assert_they_add_up(steps, commits)
    assert sum(step.prompt_tokens for step in steps) == sum(
        len(toy_target().prepare(question(words).messages, ()).ids) for words in WORDS
    )
    assert {step.look for step in steps} >= {Look.WARM_UP, Look.AWAY}
    assert sum(step.stood for step in steps) > 0
    assert any(step.queued for step in steps)  # two prompts waited for the first one
    assert any(step.cached_tokens > 0 for step in steps)


async def test_a_step_without_proposals_has_looked_at_none() -> None:
    steps: list[Step] = []
    commits = await answers(steps.append, proposals=False)
    assert_they_add_up(steps, commits)
    assert all(step.admitted == step.stood == 0 and step.look is Look.OFF for step in steps)
    assert any(step.waiting for step in steps)


async def test_steps_add_up_when_one_broke_and_each_was_tried_alone(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[Step] = []
    commits = await answers(steps.append, bomb=12)
    assert "trying each alone" in caplog.text
    assert_they_add_up(steps, commits)


async def test_who_watches_badly_ends_no_answer_and_is_complained_of_once(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Step] = []

    def fail(step: Step) -> None:
        told.append(step)
        raise RuntimeError("a full disk")

    await answers(fail)
    assert len(told) == 1
    assert caplog.text.count("whoever watches the steps has failed") == 1


async def test_what_cannot_be_learned_from_ends_no_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a matrix that is none")

    monkeypatch.setattr(Batch, "saw", fail)
    await answers(lambda _: None)  # each the target's own
    assert "nothing was learned from a step" in caplog.text
    assert "trying each alone" not in caplog.text  # their caches have moved on


async def test_a_file_gets_one_object_a_line_at_its_end(tmp_path: Path) -> None:
    path, told = tmp_path / "steps.jsonl", list[Step]()
    path.write_text('{"number": 0}\n')
    with event_file(path) as write:
        assert write is not None

        def both(step: Step) -> None:
            write(step)
            told.append(step)
            assert path.read_text().endswith("}\n")  # at once, for who looks on

        await answers(both)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"number": 0}
    assert lines[1:] == json.loads(json.dumps([step.as_json() for step in told]))
    assert {"seconds", "foretold", "queued", "waiting", "admitted", "stood"} <= lines[-1].keys()


def test_without_a_file_nobody_watches() -> None:
    with event_file(None) as observer:
        assert observer is None


@pytest.mark.parametrize("name", ["", "no/such/folder/steps.jsonl"])
def test_a_file_that_cannot_be_opened_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValue, match=r"^events is .*: cannot be written"), event_file(tmp_path / name):
        raise AssertionError


async def test_a_full_disk_ends_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    with event_file(Path("/dev/full")) as write:
        assert write is not None
        await answers(write)
    assert "events did not fit into /dev/full" in caplog.text
    assert [record.levelno for record in caplog.records if "not complete" in record.message] == [logging.WARNING]


async def test_what_is_foretold_is_what_the_fit_says_of_the_load() -> None:
    steps: list[Step] = []
    await answers(steps.append)
    assert steps[0].foretold.seconds is None
    assert all(step.foretold.seconds is None for step in steps if step.prompt_tokens)
    foretold = [step for step in steps if step.foretold.seconds is not None]
    assert len(foretold) > 20
    for step in foretold:
        fixed, token, session, cached = step.foretold.fit
        seconds = fixed + token * step.output_tokens + session * step.running + cached * step.cached_tokens / 1000
        assert step.foretold.seconds == pytest.approx(seconds)


def test_a_tree_is_counted_by_depth() -> None:
    vlm = toy_target()
    decoder, _ = prefill(vlm, prompt := vlm.prepare(question(WORDS[0]).messages, ()), vlm.see(prompt))
    pending = Pending(0, (40, 41, 42, 43, 44), 1, parents=(-1, 0, 0, -1, 2))  # 40 41, 40 42 44, 43
    work = Work(Block(decoder, ids=pending.ids, parents=pending.parents), Offer(pending, (), 0.0, 5))
    seen = Seen(1, Plan((), Look.RULE), 0.01, Foretold(None, (0.0,) * 4), 0)
    counted = events.step(seen, [(work, Commit(0, (40, 42, 9), (2,)))])
    assert (counted.admitted_by_depth, counted.stood_by_depth) == ((2, 2, 1), (1, 1))
    assert (counted.admitted, counted.stood, counted.output_tokens) == (5, 2, 5)
