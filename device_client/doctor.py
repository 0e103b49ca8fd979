"""`device-client doctor`: is the edge there, do the two models fit, how good is the link, what speed is to be expected.

Each line is a check with what was found. What it measures: round trips of a small request; a short answer of the target
alone; how often and how fast the draft says the same; the same answer with drafting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median, quantiles

import uvloop

from device_client.answer import Answer, Question, Result
from device_client.chat import Chat
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.draft.drafter import Drafter
from device_client.pictures import read_picture
from device_client.show import Screen
from device_client.start import loaded, log_to, look_at_edge
from shared.demo.pair import packaged_samples
from shared.errors import CovspecError, InvalidValue
from shared.speculation.prints import CommonIds, ModelPrints, differences, fit, short
from shared.speculation.request import SamplingWish
from shared.vlm.port import Vlm
from shared.wire.handshake import ServerInfo

_PINGS = 20
_TOKENS = 48  # of the trial answers
_FEW = 0.5  # share of agreement below which a draft is of little use


@dataclass(frozen=True)
class Trial:
    """What was measured, in milliseconds; `agreement`: share of the target's tokens that the draft says as well."""

    step_ms: float
    draft_ms: float
    rtt_ms: float
    agreement: float


def expected_gain(trial: Trial) -> float:
    """How many times as fast as the target alone the two are together: a rule of thumb.

    With independent agreement a the draft is right for a run of 1 / (1 - a) tokens; a run takes its drafting, and then
    a round trip and a step until the device knows where it went wrong. Never below 1: an eager edge steps meanwhile.
    Beside a simulation of two free-running ends in six settings it is off by at most an eighth.
    """
    run = 1 / max(1 - trial.agreement, 0.02)
    seconds_of_run = run * trial.draft_ms + trial.rtt_ms + trial.step_ms
    return max(1.0, run * trial.step_ms / seconds_of_run)


def reason(trial: Trial) -> str:
    """What holds it back most."""
    run = 1 / max(1 - trial.agreement, 0.02)
    parts = {
        "the draft's own speed": run * trial.draft_ms,
        "the link": trial.rtt_ms,
        "the target's step": trial.step_ms,
    }
    largest = max(parts, key=lambda name: parts[name])
    if trial.agreement < _FEW:
        return f"the draft agrees with {trial.agreement:.0%} of the tokens only: another draft may help"
    advice = {
        "the draft's own speed": "a smaller or faster draft would help",
        "the link": "a nearer edge would help",
        "the target's step": "the target decides: this is what speculation is for",
    }
    return f"most of a run of {run:.1f} tokens goes to {largest}; {advice[largest]}"


def examine(config: DeviceConfig, screen: Screen) -> int:
    """Check everything and say what is found; the exit code."""
    log_to(screen, config, verbose=False)
    try:
        look_at_edge(config)
    except InvalidValue:  # a file that an option names
        raise
    except CovspecError as refused:
        screen.line("BAD", str(refused))
        return 1
    config, draft = loaded(config, screen)
    return uvloop.run(_examine(config, draft, screen))


async def _examine(config: DeviceConfig, draft: Vlm, screen: Screen) -> int:
    async with Client(config, draft) as client:
        try:
            begin = time.perf_counter()
            info = await client.info()
            screen.line("ok", f"the edge {config.edge} answers, first after {_ms(time.perf_counter() - begin)}")
            for told in _about(info, draft):
                screen.line("ok", told)
            screen.line("ok", await _link(client))
            _check_fit(info, draft, screen)
            await _speed(config, draft, client, screen)
        except CovspecError as refused:
            screen.line("BAD", str(refused))
            return 1
    return 0


def _about(info: ServerInfo, draft: Vlm) -> Iterator[str]:
    limits, mine = info.limits, draft.info
    yield (
        f"target {info.model} ({info.family}), fingerprint {short(info.fingerprint)}"
        f", context {limits.context_length}, at most {limits.max_images} pictures "
        f"of {limits.max_image_bytes / 2**20:g} MiB, {limits.max_sessions} answers at once, version {info.version}"
    )
    yield f"draft {mine.name} ({mine.family}), context {mine.context_length}"


async def _link(client: Client) -> str:
    """Round trips of the smallest request there is."""
    times = []
    for _ in range(_PINGS):
        client.forget()
        begin = time.perf_counter()
        await client.info()
        times.append(time.perf_counter() - begin)
    worst = quantiles(times, n=10)[-1]
    return f"link: round trip {_ms(median(times))}, nine in ten below {_ms(worst)} ({_PINGS} requests)"


def _check_fit(info: ServerInfo, draft: Vlm, screen: Screen) -> None:
    prints = draft.info.prints
    common = len(fit(prints.vocabulary, info.vocabulary).cut(draft.info.rows))
    screen.line("ok", f"vocabularies fit: {common} of the target's {info.vocabulary.size} ids mean the same to both")
    pictures = info.image_processor or prints.image_processor  # of an edge that does not say: as if it were the same
    for sentence in differences(
        prints, ModelPrints(info.vocabulary, info.special_tokens, info.chat_template, pictures)
    ):
        screen.line("note", sentence)


async def _speed(config: DeviceConfig, draft: Vlm, client: Client, screen: Screen) -> None:
    sample = packaged_samples()[0]
    wish = SamplingWish(temperature=0.0, max_tokens=_TOKENS, ignore_eos=True)
    question = Chat().asked(sample.question, [read_picture(str(sample.picture))]).question(wish)
    async with Client(replace(config, drafting=False), draft) as quiet:
        with screen.busy("a short answer of the target alone …"):
            alone = await _whole(await quiet.ask(question))
    with screen.busy("the draft beside it …"):
        agreement, draft_seconds = await client.forward(_agreement, draft, question, alone)
    with screen.busy("the same answer with drafting …"):
        together = await _whole(await client.ask(question))
    figures = alone.figures
    trial = Trial(figures.step_ms or 0.0, 1e3 * draft_seconds, figures.rtt_ms or 0.0, agreement)
    screen.line("ok", f"target alone: {_rate(alone)}, a step takes {trial.step_ms:.1f} ms")
    screen.line("ok", f"draft: {trial.draft_ms:.1f} ms a token, agrees with {agreement:.0%} of the target's tokens")
    screen.line("ok", f"together: {_rate(together)}, {_times(together, alone)} ({config.pace}, window {config.window})")
    screen.line("ok", f"to be expected: about {expected_gain(trial):.1f} times the target alone; {reason(trial)}")
    if together.ids != alone.ids:
        screen.line("note", "the two texts differ: near-ties of a target in low precision, see docs/exactness.md")


def _agreement(draft: Vlm, question: Question, alone: Result) -> tuple[float, float]:
    """The share of the answer's tokens that the draft says after the ones before, and the seconds it takes for one."""
    drafter = Drafter(draft, question.messages, question.images)
    drafter.follow(alone.parameters, CommonIds.below(draft.info.rows), draft.info.placeholder_ids)
    same, seconds = 0, []
    for place, token in enumerate(alone.ids[: drafter.room - 1]):
        begin = time.perf_counter()
        same += drafter.next(alone.ids[:place]) == token
        seconds.append(time.perf_counter() - begin)
    return same / max(1, len(seconds)), median(seconds[1:] or seconds or [0.0])


async def _whole(answer: Answer) -> Result:
    async for _ in answer.pieces():
        pass
    assert answer.result is not None
    return answer.result


def _rate(result: Result) -> str:
    rate = result.figures.tokens_per_second
    return f"{len(result.ids)} tokens" if rate is None else f"{rate:.1f} tok/s"


def _times(one: Result, other: Result) -> str:
    fast, slow = one.figures.tokens_per_second, other.figures.tokens_per_second
    return f"{fast / slow:.2f} times as fast" if fast and slow else "too short to compare"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f} ms"
