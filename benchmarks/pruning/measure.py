"""One question, seen less and less: where the draft still says the target's next token, and what it took to read.

Times are CPU seconds of the thread that runs the draft, so that a busy machine does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import thread_time

import torch

from benchmarks.pruning.scenes import Case
from device_client.prune.registry import prune, pruner
from device_client.prune.sight import Ask, Pruner
from device_client.prune.wish import Choice
from device_client.reduce import Reduced, look
from shared.vlm.gaze import Gaze
from shared.vlm.port import VisualTokens
from shared.vlm.single import extend, prefill

BUDGETS = (0.5, 0.25, 0.125, 0.083, 0.05)


@dataclass(frozen=True)
class Seen:
    """One question at one budget. `matches`: for each token of the answer, whether the draft would have said it.

    `choose`, `read`: seconds to choose what is kept, all that this asks for included, and to prefill the prompt.
    """

    matches: tuple[bool, ...]
    kept: int
    entered: int
    choose: float
    read: float


@dataclass(frozen=True)
class Bare:
    """The question with all visual tokens, with none, and the seconds it takes to see."""

    everything: Seen
    nothing: Seen
    see: float


def bare(case: Case) -> Bare:
    """Before anything is pruned."""
    begin = thread_time()
    visual = case.asked.vlm.see(case.asked.prompt)
    see = thread_time() - begin
    return Bare(_read(case, Reduced(visual, None), 0.0), _read(case, Reduced(visual, ()), 0.0), see)


def at_every_budget(case: Case, choice: Choice) -> Iterator[Seen]:
    """The question pruned to each of `BUDGETS`."""
    chosen, vlm, prompt = pruner(choice), case.asked.vlm, case.asked.prompt
    begin = thread_time()
    visual = vlm.see(prompt)
    seen = thread_time()
    gaze = vlm.gaze(prompt)[1] if Ask.GAZE in chosen.asks else None  # sees again: what is beyond seeing counts
    extra = max(0.0, thread_time() - seen - (seen - begin)) if gaze else 0.0
    for part in BUDGETS:
        begin = thread_time()
        reduced = _reduced(case, chosen, (visual, gaze), part)
        yield _read(case, reduced, extra + thread_time() - begin)


def _reduced(case: Case, chosen: Pruner, seen: tuple[VisualTokens, Gaze | None], part: float) -> Reduced:
    visual, gaze = seen
    sight = replace(look(case.asked, visual, chosen.asks, gaze), attention=case.attention)
    kept = prune(chosen, sight, max(1, round(part * sight.count)))
    if kept.mixing is not None:
        visual = visual.mixed(kept.indices, kept.mixing)
    return Reduced(visual, kept.indices)


def _read(case: Case, reduced: Reduced, choose: float) -> Seen:
    vlm, prompt = case.asked.vlm, case.asked.prompt
    begin = thread_time()
    decoder, first = prefill(vlm, prompt, reduced.visual, reduced.kept)
    read = thread_time() - begin
    rows = torch.cat([first, extend(vlm, decoder, case.answer[:-1])]) if len(case.answer) > 1 else first
    matches = (rows.argmax(-1) == torch.tensor(case.answer)).tolist()
    return Seen(tuple(matches), reduced.count, reduced.entered(prompt), choose, read)
