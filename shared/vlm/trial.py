"""Which number format is fastest here: load the model in each, let it say a few tokens, keep the fastest.

For drafts alone: another format gives other proposals, which cost acceptance at most, never another text. One model is
in memory at a time.
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
_PROMPT = (Message("user", (Text("Describe the picture. What is in it, where, and of which colour?"),)),)


@dataclass(frozen=True, slots=True)
class Tried:
    """A format, and how long a token takes in it; None: it does not run here."""

    dtype: str
    token_seconds: float | None


def fastest(
    load: Callable[[str], Vlm], dtypes: Sequence[str], clock: Callable[[], float] = time.perf_counter
) -> tuple[Vlm, tuple[Tried, ...]]:
    """The model in the fastest of `dtypes`, and what was measured. Raises what `load` raises if none of them runs."""
    tried: list[Tried] = []
    vlm: Vlm | None = None
    failed: ModelError | None = None
    for dtype in dtypes:
        vlm = None  # frees the one before
        try:
            vlm = load(dtype)
            tried.append(Tried(dtype, token_seconds(vlm, clock)))
        except (ModelError, RuntimeError, NotImplementedError) as refused:  # torch has no such kernel here
            failed = refused if isinstance(refused, ModelError) else ModelError(f"{dtype} does not run here: {refused}")
            tried.append(Tried(dtype, None))
            log.info("%s", failed)
    runs = [(each.token_seconds, each.dtype) for each in tried if each.token_seconds is not None]
    if not runs:
        assert failed is not None
        raise failed
    best = min(runs)[1]
    log.warning("dtype auto is %s: %s", best, ", ".join(f"{dtype} {1e3 * seconds:.1f} ms" for seconds, dtype in runs))
    if vlm is None or best != dtypes[-1]:
        vlm = None
        vlm = load(best)
    return vlm, tuple(tried)


def token_seconds(vlm: Vlm, clock: Callable[[], float]) -> float:
    """The median time of a token behind a short prompt without a picture."""
    prompt = vlm.prepare(_PROMPT, ())
    decoder, rows = prefill(vlm, prompt, vlm.see(prompt))
    times: list[float] = []
    for _ in range(WARM_UP + STEPS):
        token = int(rows[-1].argmax())  # on the host: what was begun on an accelerator is over
        begin = clock()
        rows = extend(vlm, decoder, [token])
        rows[-1].argmax().item()
        times.append(clock() - begin)
    return statistics.median(times[WARM_UP:])
