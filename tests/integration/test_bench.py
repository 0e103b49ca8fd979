"""`bench` over a real edge: one text both ways, and drafts in one of them alone."""

from __future__ import annotations

from functools import partial

import pytest

from device_client.ask import Sources
from device_client.bench.config import BenchOptions
from device_client.bench.measure import TOKENS, Questions, compare, compare_on
from device_client.bench.report import Pair
from device_client.config import DeviceConfig, PictureOptions
from shared.demo.pair import samples
from shared.errors import InvalidValue, Unavailable
from shared.speculation.request import SamplingWish
from tests.support.system import edge, toy_draft, toy_target

NO_SOURCES = Sources((), PictureOptions())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_both_ways_say_the_same_and_only_one_drafts(temperature: float) -> None:
    questions = Questions.of(None, NO_SOURCES, SamplingWish(temperature=temperature, max_tokens=30, ignore_eos=True))
    told: list[tuple[int, Pair]] = []
    async with edge(partial(toy_target, step_seconds=0.005)) as server:  # or it says all before a draft comes
        config = DeviceConfig(edge=f"127.0.0.1:{server.port}")
        found = await compare(questions, 3, config, toy_draft(), lambda number, pair: told.append((number, pair)))
    assert [number for number, _ in told] == [0, 1, 2]
    assert [pair for _, pair in told] == list(found.pairs)
    for pair in found.pairs:
        assert pair.same
        assert pair.drafting.figures.drafted > 0
        assert pair.alone.figures.drafted == 0
        assert pair.alone.figures.accepted_per_step == 0
        for result in (pair.drafting, pair.alone):
            assert result.figures.tokens == 30
    seeds = [pair.drafting.parameters.seed for pair in found.pairs]
    assert seeds == [pair.alone.parameters.seed for pair in found.pairs]
    assert len(set(seeds)) == 3


def test_without_a_question_the_packaged_ones_are_asked_with_a_limit() -> None:
    questions = Questions.of(None, NO_SOURCES, SamplingWish())
    assert len(questions.chats) == len(samples())
    assert questions.wish.max_tokens == TOKENS
    picture, _ = samples()[0]
    own = Questions.of("how many?", Sources((str(picture),), PictureOptions()), SamplingWish(max_tokens=7, seed=5))
    (chat,) = own.chats
    assert chat.pictures[0].encoded == picture.read_bytes()
    assert (own.wish.max_tokens, own.wish.seed) == (7, 5)


@pytest.mark.parametrize("nothing", [{"drafting": False}, {"alone": True}])
def test_what_leaves_nothing_to_compare_is_refused(nothing: dict[str, bool]) -> None:
    with pytest.raises(InvalidValue, match="nothing to compare"):
        compare_on(None, NO_SOURCES, SamplingWish(), BenchOptions(), DeviceConfig(**nothing))  # type: ignore[arg-type]


async def test_an_edge_that_is_away_is_named() -> None:
    questions = Questions.of("hello", NO_SOURCES, SamplingWish())
    with pytest.raises(Unavailable, match=r"the edge 127\.0\.0\.1:1 cannot be reached"):
        await compare(questions, 1, DeviceConfig(edge="127.0.0.1:1"), toy_draft(), lambda *_: None)
