"""A prompt is made beside the engine's thread: nobody's answer waits for it, and a short one not for a long one."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from weakref import ref

import pytest
from PIL import Image

from edge_server.engine.embedded import EmbeddedEngine
from edge_server.engine.offers import Offers
from edge_server.engine.port import Request
from edge_server.engine.prompts import LONG_CHARACTERS, LONG_PIXELS
from shared.errors import EngineFailure, Unavailable
from shared.speculation.edge import Rules
from shared.speculation.messages import Finished, Pace
from shared.speculation.request import Message, Part, Picture, SamplingWish, Text
from shared.vlm.port import Prompt
from shared.vlm.toy import ToyVlm
from tests.support.system import eventually, nothing_alive

WISH = SamplingWish(temperature=0, max_tokens=30, ignore_eos=True)
LONG = "long " * LONG_CHARACTERS


def request(text: str = "what is it?", *images: Image.Image) -> Request:
    parts: tuple[Part, ...] = (*(Picture(at) for at in range(len(images))), Text(text))
    return Request((Message("user", parts),), images, WISH, 0, Pace.EAGER)


def offers() -> Offers:
    return Offers(Rules(16, 100, 256), (), monotonic)


@dataclass(eq=False)
class Slow(ToyVlm):
    """Takes a long prompt for as long as `held` is set to do so."""

    released: threading.Event = field(default_factory=threading.Event)
    making: list[str] = field(default_factory=list)
    together: int = 0
    most: int = 0

    def prepare(self, messages: Sequence[Message], images: Sequence[Image.Image]) -> Prompt:
        text = next(part.text for part in messages[0].parts if isinstance(part, Text))
        self.making.append(text)
        self.together += 1
        self.most = max(self.most, self.together)
        try:
            if len(text) > LONG_CHARACTERS or images:
                assert self.released.wait(20)
                text = "long"
            if text == "broken":
                raise ZeroDivisionError
            return super().prepare((Message("user", (Text(text),)),), ())
        finally:
            self.together -= 1


async def running(vlm: Slow) -> EmbeddedEngine:
    engine = EmbeddedEngine(lambda: vlm)
    await engine.start()
    return engine


async def whole(engine: EmbeddedEngine, asked: Request) -> Finished:
    async with asyncio.timeout(20):
        answer = await engine.open(asked, offers())
        news = [each async for each in answer.news()]
        await answer.close()
    assert isinstance(news[-1], Finished)
    return news[-1]


@pytest.mark.parametrize("kind", ["text", "picture"])
async def test_answers_go_on_and_begin_while_long_prompts_are_made(kind: str) -> None:
    picture = Image.new("RGB", (LONG_PIXELS // 1000 + 1, 1000))
    long = request(LONG) if kind == "text" else request("look", picture)
    vlm = Slow("target", seed=1)
    engine = await running(vlm)
    waiting = [asyncio.create_task(whole(engine, long)) for _ in range(4)]
    await eventually(lambda: vlm.together, 1)
    for _ in range(3):
        assert (await whole(engine, request())).length == 30
    assert vlm.most == 2  # one long prompt is being made, and one short
    vlm.released.set()
    assert [done.length for done in await asyncio.gather(*waiting)] == [30] * 4
    await engine.stop()
    await nothing_alive()


async def test_who_leaves_before_his_prompt_is_made_costs_nothing() -> None:
    vlm = Slow("target", seed=1)
    engine = await running(vlm)
    first = asyncio.create_task(whole(engine, request(LONG)))
    await eventually(lambda: vlm.together, 1)
    left = [asyncio.create_task(whole(engine, request(LONG + str(number)))) for number in range(20)]
    await asyncio.sleep(0.01)
    for task in left:
        task.cancel()
    await asyncio.wait(left)
    vlm.released.set()
    await first
    assert len(vlm.making) == 1
    assert engine.sessions == 0
    await engine.stop()
    await nothing_alive()


async def test_who_leaves_when_his_prompt_is_made_leaves_no_session() -> None:
    vlm, held = Slow("target", seed=1), threading.Event()
    engine = await running(vlm)
    occupying = asyncio.create_task(engine.ask(lambda: held.wait(20)))
    opening = asyncio.create_task(engine.open(request(), offers()))
    await eventually(lambda: (len(vlm.making), vlm.together), (1, 0))
    for _ in range(20):  # until it waits for the engine's thread
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    held.set()
    await occupying
    await eventually(lambda: engine.sessions, 0)
    await engine.stop()
    await nothing_alive()


async def test_a_prompt_that_breaks_breaks_nobody_else() -> None:
    engine = await running(Slow("target", seed=1))
    with pytest.raises(EngineFailure, match="ZeroDivisionError"):
        await engine.open(request("broken"), offers())
    assert (await whole(engine, request())).length == 30
    await engine.stop()
    with pytest.raises(Unavailable, match="shutting down"):
        await engine.open(request(), offers())
    await nothing_alive()


async def test_an_answer_keeps_neither_the_text_nor_the_pictures_of_its_question() -> None:
    engine = EmbeddedEngine(lambda: ToyVlm("target", seed=1))
    await engine.start()
    asked = request("what?", Image.new("RGB", (40, 40)))
    kept: list[ref[object]] = [ref(asked.images[0]), ref(asked)]
    answer = await engine.open(replace(asked, digests=(b"picture",)), offers())
    news = answer.news()
    await anext(news)
    del asked
    gc.collect()
    assert [each() for each in kept] == [None, None]
    await news.aclose()
    await answer.close()
    await engine.stop()
    await nothing_alive()
