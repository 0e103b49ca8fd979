"""What one step of the engine was, as a value for whoever watches: its time, what it took, what it brought.

Guarantees: a step is one forward; what stood adds up to what the commits say was accepted, what is committed to their
ids. It does not know who watches, nor models; times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from edge_server.engine.plan import Look, Plan
from edge_server.engine.session import Work
from shared.speculation.messages import Commit


@dataclass(frozen=True, slots=True)
class Foretold:
    """The time of a step as the fit saw it coming; None: nothing was seen yet, or a prompt is in the step.

    `fit`: seconds for a step, for each token, for each session, and for a thousand tokens in their caches.
    """

    seconds: float | None
    fit: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Step:
    """A step. `number` counts from 1; `look`: see Look; `seconds`: of the forward.

    `running`: answers past their prompt, `followers` among them: of pace auto, in a step that runs anyway. `queued`:
    answers that wanted to step and found no place. Tokens:
    `prompt_tokens` and `output_tokens` went into the forward, proposals among the latter; `cached_tokens` were there
    before; `committed` came out. Proposals: `waiting` in the mailboxes; looked at (`admitted`) and accepted (`stood`),
    by depth: entry d counts those with d others before them, of an answer more than one where they are a tree.
    `begun_tokens`: of the prompts of which it is the first step; `reused_tokens`: those of them that ended answers had
    left, which went into no forward.
    """

    number: int
    look: Look
    seconds: float
    foretold: Foretold
    running: int
    queued: int
    followers: int
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int
    committed: int
    waiting: int
    admitted_by_depth: tuple[int, ...]
    stood_by_depth: tuple[int, ...]
    begun_tokens: int = 0
    reused_tokens: int = 0

    @property
    def admitted(self) -> int:
        """Proposals that the step looked at."""
        return sum(self.admitted_by_depth)

    @property
    def stood(self) -> int:
        """Those of them that were the target's own choice."""
        return sum(self.stood_by_depth)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, sums included."""
        return {**asdict(self), "look": self.look.value, "admitted": self.admitted, "stood": self.stood}


Observer: TypeAlias = Callable[[Step], None]


@dataclass(frozen=True)
class Seen:
    """What is known of a forward before its work is committed. `cached`: tokens in the caches when it began."""

    number: int
    plan: Plan
    seconds: float
    foretold: Foretold
    cached: int


def step(seen: Seen, done: Sequence[tuple[Work, Commit | None]]) -> Step:
    """The step of which `done` is what each session took and what it brought."""
    works = [work for work, _ in done]
    offers = [work.offer for work in works if work.offer is not None]
    commits = [commit for _, commit in done if commit is not None]
    return Step(
        number=seen.number,
        look=seen.plan.look,
        seconds=seen.seconds,
        foretold=seen.foretold,
        running=sum(work.block.prompt == 0 for work in works),
        queued=seen.plan.queued,
        followers=seen.plan.followers,
        prompt_tokens=sum(work.block.prompt for work in works),
        output_tokens=sum(len(work.block.ids) for work in works),
        cached_tokens=seen.cached,
        committed=sum(len(commit.ids) for commit in commits),
        waiting=sum(offer.waiting for offer in offers),
        admitted_by_depth=_by_depth([depth for offer in offers for depth in offer.pending.tree.depths]),
        stood_by_depth=_by_depth([depth for commit in commits for depth in range(commit.accepted[0])]),
        begun_tokens=sum(work.begun for work in works),
        reused_tokens=sum(work.reused for work in works),
    )


def _by_depth(depths: Sequence[int]) -> tuple[int, ...]:
    """How many of `depths` are 0, are 1, ..."""
    return tuple(depths.count(depth) for depth in range(max(depths, default=-1) + 1))
