"""Asks the same questions with and without drafting, in pairs, over the link that there is.

Guarantees: both ways ask the same edge with the same seed, so a target in float32 says the same text both times; the
edge has seen each picture, and each connection is warm, before anything is counted. "Without" is a device that proposes
nothing: the edge then decodes as it would for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

import uvloop

from device_client.answer import Result
from device_client.ask import Sources, warn_if_overheard
from device_client.bench.config import BenchOptions
from device_client.bench.pairs import in_turn
from device_client.bench.report import Measured, Pair
from device_client.chat import Chat
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.pictures import read_picture
from device_client.show import Screen
from device_client.start import loaded, log_to, look_at_edge
from shared.demo.pair import samples
from shared.errors import InvalidValue
from shared.speculation.request import SamplingWish
from shared.vlm.port import Vlm

TOKENS = 128  # of an answer at most, unless the person says otherwise
SEED = 0

Told = Callable[[int, Pair], None]


@dataclass(frozen=True)
class Questions:
    """What to ask, in turn, and how the answers are sampled."""

    chats: Sequence[Chat]
    wish: SamplingWish

    @classmethod
    def of(cls, prompt: str | None, sources: Sources, wish: SamplingWish) -> Questions:
        """The person's own question, or those that are packaged. Raises ImageError, Unsupported."""
        if prompt is None:
            chats = [Chat().asked(asked, [read_picture(str(picture))]) for picture, asked in samples()]
        else:
            chats = [Chat().asked(prompt, sources.read())]
        seed = SEED if wish.seed is None else wish.seed
        return cls(chats, replace(wish, seed=seed, max_tokens=wish.max_tokens or TOKENS))


def compare_on(
    prompt: str | None, sources: Sources, wish: SamplingWish, options: BenchOptions, config: DeviceConfig
) -> Measured:
    """Ask both ways; each pair is told on stderr. Raises CovspecError."""
    for name, wrong in (("drafting", not config.drafting), ("alone", config.alone)):
        if wrong:
            raise InvalidValue(name, getattr(config, name), "leaves nothing to compare: bench asks both ways itself")
    screen = Screen("auto", as_json=False)
    log_to(screen, config, verbose=False)
    questions = Questions.of(prompt, sources, wish)
    look_at_edge(config)
    config, draft = loaded(replace(config, fallback="wait"), screen)

    def tell(number: int, pair: Pair) -> None:
        gain = "too short to compare" if pair.gain is None else f"{pair.gain:.2f} times as fast"
        screen.note(f"pair {number + 1} of {options.pairs}: {gain}")

    return uvloop.run(compare(questions, options.pairs, config, draft, tell))


async def compare(questions: Questions, pairs: int, config: DeviceConfig, draft: Vlm, tell: Told) -> Measured:
    """Ask `pairs` of the questions both ways, over and over if there are fewer. Raises CovspecError."""
    found = []
    async with Client(config, draft) as drafting, Client(replace(config, drafting=False), draft) as alone:
        warn_if_overheard(drafting, config)
        info = await drafting.info()
        asked = list(islice(cycle(questions.chats), pairs))
        await _warm((drafting, alone), asked[: len(questions.chats)], questions.wish)
        for number, (first, second) in in_turn(drafting, alone, pairs):
            said = {way: await _whole(way, asked[number], questions.wish, number) for way in (first, second)}
            found.append(Pair(said[drafting], said[alone]))
            tell(number, found[-1])
    return Measured(info.model, draft.info.name, config, tuple(found))


async def _warm(ways: Sequence[Client], chats: Sequence[Chat], wish: SamplingWish) -> None:
    """The edge sees each picture once, and each way has had an answer."""
    for chat in chats:
        await _whole(ways[0], chat, replace(wish, max_tokens=1), 0)
    for way in ways:
        await _whole(way, chats[0], wish, 0)


async def _whole(client: Client, chat: Chat, wish: SamplingWish, number: int) -> Result:
    answer = await client.ask(chat.question(wish, number))
    async for _ in answer.pieces():
        pass
    assert answer.result is not None
    return answer.result
