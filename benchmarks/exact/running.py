"""Asks cases of an edge, over real gRPC and a link that is as bad as they say, and hears the target alone on each.

The target alone is stock transformers `generate()` with one processor for masks and noise; by the rule rejection the
processor judges a proposal of the draft at every position. A device per answer of a round, each with a draft of its
own, in this process. An answer that fails is an outcome, not the end of the run.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from benchmarks.exact.plan import SESSIONS, Case, Link, Round, Sampling
from benchmarks.held_out import held_out, prompt_of
from device_client.answer import Result
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.draft.drafter import Drafter
from device_client.draft.drawing import Drawing
from device_client.prune.wish import parse_budget, parse_choice
from device_client.reduce import Reducer
from shared.demo.pair import draft_folder, target_folder
from shared.errors import CovspecError
from shared.speculation.laws import DraftLaw
from shared.speculation.messages import Judging, Pace, Rule
from shared.speculation.prints import CommonIds, fit
from shared.speculation.request import SamplingParameters
from shared.vlm.load import load
from shared.vlm.port import Vlm
from tests.support.oracle import Oracle, Proposing, Said
from tests.support.shim import Shim

DELAY = 0.01  # seconds each way on a bad link, until the shim draws others
MOST_CUTS = 3  # of an answer
PATIENCE = 120  # seconds, after which an answer has failed


@dataclass(frozen=True)
class Outcome:
    """What came of a case. `failure`: why no answer came, if none did. `weaker`: what weaker sampling says alone."""

    case: Case
    said: tuple[int, ...]
    alone: tuple[int, ...]
    weaker: tuple[int, ...] = ()
    drafted: int = 0  # tokens that the device said first
    foreseen: int = 0  # corrections that found their branch ready
    reconnects: int = 0
    failure: str = ""

    @property
    def identical(self) -> bool:
        """Whether the answer is, id for id, the target's own."""
        return not self.failure and self.said == self.alone

    @property
    def decided(self) -> bool:
        """Whether the noise, or with top-p the mask, decided any of the text: else it was not put to the test."""
        return bool(self.weaker) and self.weaker != self.alone

    def __str__(self) -> str:
        what = self.failure or f"said {list(self.said)}"
        return f"DIFFERS {self.case}: {what}, alone {list(self.alone)}; again: --only {self.case.number}"


class Lab:
    """An edge at `port` of this host with the demo's target, the oracle, and drafts for as many devices as may ask at a
    time, with one more that is asked alone.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._common: CommonIds | None = None
        self._drafts = [load(str(draft_folder())) for _ in range(max(SESSIONS) + 1)]
        self._oracle = Oracle(target_folder())

    async def paces(self) -> tuple[Pace, ...]:
        """Those that the edge offers."""
        draft = self._drafts[0]
        async with Client(DeviceConfig(edge=f"127.0.0.1:{self._port}"), draft) as client:
            info = await client.info()
        self._common = fit(draft.info.prints.vocabulary, info.vocabulary).cut(draft.info.rows)
        return info.paces

    async def compare(self, together: Round) -> list[Outcome]:
        """Ask all answers of a round at the same time; what came of its cases, in their order."""
        asked = [*together.cases, *together.companions]
        drafts = self._drafts[1 : len(asked) + 1]
        saying = asyncio.gather(*(self._ask(case, draft) for case, draft in zip(asked, drafts, strict=True)))
        alone = [await asyncio.to_thread(self._alone, case, case.sampling) for case in together.cases]
        weaker = [await asyncio.to_thread(self._alone, case, case.sampling.weaker) for case in together.cases]
        heard = zip(together.cases, (await saying)[: len(alone)], alone, weaker, strict=True)
        return [_outcome(*each) for each in heard]

    async def _ask(self, case: Case, draft: Vlm) -> Result | str:
        """The answer of the whole system, or why there is none."""
        question = held_out(case.scene, case.kind, case.wish)
        delay = 0.0 if case.link is Link.QUIET else DELAY
        try:
            async with (
                asyncio.timeout(PATIENCE),
                Shim(self._port, delay) as shim,
                Client(_config(shim.address, case), draft) as client,
            ):
                coming = await client.ask(question)
                async with _trouble(shim, case) as speaking:
                    async for _ in coming.pieces():
                        speaking.set()
        except (CovspecError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        return coming.result or "it ended without a result"

    def _alone(self, case: Case, sampling: Sampling | None) -> tuple[int, ...]:
        """What the target says alone, stock and one token at a time."""
        if sampling is None:
            return ()
        question = held_out(case.scene, case.kind, case.wish)
        picture, prompt = question.images[0], prompt_of(question)
        if case.manner.evidence is None:
            return tuple(self._oracle.answer(picture, prompt, sampling.temperature, case.noise, sampling.top_p))
        said = Said(sampling.temperature, case.noise, sampling.top_p)
        return tuple(self._oracle.judged(picture, prompt, said, partial(self._proposing, case)))

    def _proposing(self, case: Case, parameters: SamplingParameters) -> Proposing:
        """The case's draft, asked for one token at a time."""
        question, manner, draft = held_out(case.scene, case.kind, case.wish), case.manner, self._drafts[0]
        reducer = Reducer(parse_choice(manner.pruner), parse_budget(manner.keep))
        drafter = Drafter(draft, question.messages, question.images, reducer=reducer)
        assert self._common is not None
        assert manner.evidence is not None
        drafter.follow(parameters, self._common, draft.info.placeholder_ids)
        drawing = Drawing(Judging(Rule.REJECTION, manner.evidence))

        def propose(before: list[int]) -> tuple[int, DraftLaw]:
            choice, mark = drafter.draw(before, drawing)
            assert mark is not None
            assert mark.law is not None
            return choice.token, mark.law

        return propose


async def compare_all(lab: Lab, todo: Sequence[Round], say: Callable[[str], None]) -> list[Outcome]:
    """The outcomes of all rounds; what differs is said at once, and how far the run is."""
    outcomes: list[Outcome] = []
    total, said = sum(len(each.cases) for each in todo), 0
    for together in todo:
        outcomes += await lab.compare(together)
        for outcome in outcomes[len(outcomes) - len(together.cases) :]:
            if not outcome.identical:
                say(str(outcome))
        if len(outcomes) * 10 // total > said:
            said = len(outcomes) * 10 // total
            say(f"{len(outcomes)} of {total} answers, {sum(each.identical for each in outcomes)} identical")
    return outcomes


def _config(address: str, case: Case) -> DeviceConfig:
    manner = case.manner
    evidence = manner.evidence
    return DeviceConfig(
        edge=address,
        window=case.window,
        pace=case.pace.value,
        policy=manner.policy,
        prefer=manner.prefer,
        lockstep=manner.lockstep,
        most_branches=manner.most_branches,
        tree=manner.tree,
        prune=manner.pruner,
        keep=manner.keep,
        rule="coupled" if evidence is None else "rejection",
        evidence="scalar" if evidence is None else evidence.value,
        bonus=False,  # a token of the target's own behind a round: the text would depend on where rounds end
    )


@asynccontextmanager
async def _trouble(shim: Shim, case: Case) -> AsyncIterator[asyncio.Event]:
    """Do to the link what the case wants, as long as the answer lasts. The event is to be set when text comes."""
    speaking = asyncio.Event()
    making = asyncio.create_task(_make_trouble(shim, case, speaking))
    try:
        yield speaking
    finally:
        making.cancel()
        with suppress(asyncio.CancelledError):
            await making
        shim.flow()


async def _make_trouble(shim: Shim, case: Case, speaking: asyncio.Event) -> None:
    rng = random.Random(case.noise)
    match case.link:
        case Link.QUIET:
            return
        case Link.SLOW:
            await shim.be_hostile(rng, most_cuts=0)
        case Link.CUTS:
            async with asyncio.TaskGroup() as both:
                both.create_task(shim.be_hostile(rng, MOST_CUTS))
                both.create_task(_cut_off(shim, speaking))
        case Link.DARK:
            await speaking.wait()
            shim.darken()
        case _:
            assert_never(case.link)


async def _cut_off(shim: Shim, speaking: asyncio.Event) -> None:
    """Cut when an answer has begun: what happens at random may come before it or after it."""
    await speaking.wait()
    shim.cut()


def _outcome(case: Case, said: Result | str, alone: tuple[int, ...], weaker: tuple[int, ...]) -> Outcome:
    if isinstance(said, str):
        return Outcome(case, (), alone, weaker, failure=said)
    figures = said.figures
    drafted = round((figures.accepted_per_step or 0) * figures.steps)
    return Outcome(case, said.ids, alone, weaker, drafted, figures.foreseen, figures.reconnects)
