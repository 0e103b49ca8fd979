"""Which number format of a draft is worth most here: load the model in each, measure it, keep the best.

For drafts alone: another format gives other proposals, which cost acceptance at most, never another text. Measured are
the time of a token and how many tokens of the first format's own greedy text each format would say too; both decide, by
the speed-up that speculation would bring. One model is in memory at a time.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.errors import ModelError
from shared.speculation.request import Message, Text
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill

log = logging.getLogger(__name__)

WARM_UP, STEPS = 3, 9  # tokens: the first ones pay for memory and kernels
LONGEST, LONGEST_SECONDS = 64, 15.0  # the text that formats are compared on ends there; it has STEPS tokens at least
ACCEPTED, RATIO = (
    0.8,
    3.5,
)  # assumed: the first format's draft tokens that are accepted, and a target step in its tokens
MOST_WINDOW = 16
_PROMPT = (Message("user", (Text("Describe the picture. What is in it, where, and of which colour?"),)),)


@dataclass(frozen=True, slots=True)
class Tried:
    """A format, how long a token takes in it, and the share of the first format's tokens that it says too.

    None: it does not run here. `speed_up`: what is to be expected of the draft in it, the target alone being 1.
    """

    dtype: str
    token_seconds: float | None
    agreement: float | None = None
    speed_up: float | None = None

    def __str__(self) -> str:
        if self.token_seconds is None or self.agreement is None or self.speed_up is None:
            return f"{self.dtype} does not run"
        return f"{self.dtype} {1e3 * self.token_seconds:.1f} ms a token, agreement {self.agreement:.0%}"


def best(
    load: Callable[[str], Vlm], dtypes: Sequence[str], clock: Callable[[], float] = time.perf_counter
) -> tuple[Vlm, tuple[Tried, ...]]:
    """The model in the best of `dtypes`, and what was measured. Raises what `load` raises if none of them runs.

    The first that runs is what the others are compared with.
    """
    tried: list[Tried] = []
    vlm: Vlm | None = None
    failed: ModelError | None = None
    reference: list[int] = []
    first = 0.0
    for dtype in dtypes:
        vlm = None  # frees the one before
        try:
            vlm = load(dtype)
            seconds, text = greedy(vlm, clock)
            reference, first = reference or text, first or seconds
            same = agreement(vlm, reference)
            tried.append(Tried(dtype, seconds, same, speed_up(ACCEPTED * same, seconds / (RATIO * max(first, 1e-9)))))
        except (ModelError, RuntimeError, NotImplementedError) as refused:  # torch has no such kernel here
            failed = refused if isinstance(refused, ModelError) else ModelError(f"{dtype} does not run here: {refused}")
            tried.append(Tried(dtype, None))
            log.info("%s", failed)
    runs = [each for each in tried if each.speed_up is not None]
    if not runs:
        assert failed is not None
        raise failed
    chosen = max(runs, key=lambda each: each.speed_up or 0.0)  # of equals the first: it is the most precise
    log.warning(
        "dtype auto is %s, expected speed-up %.2f (%s %.2f): %s",
        chosen.dtype,
        chosen.speed_up,
        runs[0].dtype,
        runs[0].speed_up,
        "; ".join(map(str, runs)),
    )
    if vlm is None or chosen.dtype != dtypes[-1]:
        vlm = None
        vlm = load(chosen.dtype)
    return vlm, tuple(tried)


def greedy(vlm: Vlm, clock: Callable[[], float]) -> tuple[float, list[int]]:
    """The median time of a token behind a short prompt without a picture, and the text that the model says there."""
    prompt = vlm.prepare(_PROMPT, ())
    decoder, rows = prefill(vlm, prompt, vlm.see(prompt))
    times: list[float] = []
    text: list[int] = []
    least, ends = WARM_UP + STEPS, vlm.info.defaults.eos_ids
    longest = min(LONGEST, vlm.info.context_length - len(prompt.ids) - 1)
    while len(text) < least or (len(text) < longest and sum(times) < LONGEST_SECONDS and text[-1] not in ends):
        text.append(int(rows[-1].argmax()))  # on the host: what was begun on an accelerator is over
        begin = clock()
        rows = extend(vlm, decoder, text[-1:])
        rows[-1].argmax().item()
        times.append(clock() - begin)
    return statistics.median(times[WARM_UP:]), text


def agreement(vlm: Vlm, text: Sequence[int]) -> float:
    """The share of `text`, that another format says, that this one says after the tokens before: a forward."""
    prompt = vlm.prepare(_PROMPT, ())
    _, rows = prefill(vlm, prompt, vlm.see(prompt), ids=text[:-1])
    said: list[int] = rows.argmax(-1).tolist()
    return sum(mine == token for mine, token in zip(said, text, strict=True)) / len(text)


def speed_up(accepted: float, cost: float) -> float:
    """What drafting brings at best, the target alone being 1: a window of n draft tokens, then a step of the target.

    (1 - a^(n + 1)) / ((1 - a) (n c + 1)) at the best n, of Leviathan et al. (arXiv 2211.17192, theorem 3.8).
    `accepted`: the probability that a draft token is accepted. `cost`: seconds of a draft token in steps of the target.
    """
    accepted = min(accepted, 1 - 1e-9)
    return max((1 - accepted ** (n + 1)) / ((1 - accepted) * (n * cost + 1)) for n in range(MOST_WINDOW + 1))
