"""What a step takes: which sessions, how much of a prompt, how many proposals of each.

Guarantees: who was served longest ago comes first; running answers wait at most for one chunk of somebody's prompt;
proposals are looked at only as far as the cost rule allows. It runs on the engine's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_server.engine.cost import Experience, Load, StepTime, admit, probe_interval
from edge_server.engine.session import Session, Work

# A device that always proposes as much would hide what a token costs. So the first steps look at all proposals and at
# none in turn, and later now and then one at none: to skip proposals for a step is what the target alone does.
WARM_UP = 16  # steps
LOOK_AWAY = 50  # steps


@dataclass(frozen=True)
class Batching:
    """How steps are made up.

    `max_batch`: running answers in a step. `prefill_chunk`: prompt tokens in a step. `proposals`: whether any are
    looked at; without, the engine is the target alone. `sight_tokens`: visual tokens kept of pictures seen before.
    """

    max_batch: int = 64
    prefill_chunk: int = 512
    proposals: bool = True
    sight_tokens: int = 16_384


class Batch:
    """Chooses, and learns from what the steps cost and brought."""

    def __init__(self, batching: Batching) -> None:
        self.everybody = Experience()
        self._batching = batching
        self._time = StepTime()
        self._steps = 0

    def choose(self, ready: Sequence[Session]) -> list[tuple[Session, Work]]:
        """The work of the next step, from sessions that may step, longest served ago first."""
        running = [session for session in ready if not session.prefilling][: self._batching.max_batch]
        chosen = [
            (session, session.work(0, most)) for session, most in zip(running, self._admitted(running), strict=True)
        ]
        first = next((session for session in ready if session.prefilling), None)
        if first is not None:
            chosen.append((first, first.work(self._batching.prefill_chunk, None if self._batching.proposals else 0)))
        return chosen

    def saw(self, works: Sequence[Work], seconds: float, cached: int) -> None:
        """A step took so long, with so many tokens in its caches. Steps with a prompt in them say little of others."""
        self._steps += 1
        if all(work.block.prompt == 0 for work in works):
            tokens = sum(len(work.block.ids) for work in works)
            self._time.saw(Load(tokens, len(works), cached), seconds)

    def _admitted(self, running: Sequence[Session]) -> list[int]:
        if not self._batching.proposals:
            return [0] * len(running)
        pending = [session.offers.waiting for session in running]
        if self._time.steps % (2 if self._time.steps < WARM_UP else LOOK_AWAY) == 1:
            return [0] * len(running)
        if self._time.steps < WARM_UP:
            return pending
        base = Load(len(running), len(running), sum(session.cached for session in running))
        paths = [session.survival.paths(count) for session, count in zip(running, pending, strict=True)]
        admitted = admit(paths, base, self._time)
        if self._steps % probe_interval(base, self._time) == 0:  # what is not worth it today may be tomorrow
            admitted = [max(most, min(1, count)) for most, count in zip(admitted, pending, strict=True)]
        return admitted
