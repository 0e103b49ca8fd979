"""What a step takes: which sessions, how much of a prompt, how many proposals of each.

Guarantees: who was served longest ago comes first; running answers wait at most for one chunk of somebody's prompt;
proposals are looked at only as far as the cost rule allows. It runs on the engine's thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edge_server.engine.cost import Experience, Load, StepTime, admit, probe_interval
from edge_server.engine.events import Foretold, Look, Seen
from edge_server.engine.session import Session, Verdict, Work

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


@dataclass(frozen=True)
class Plan:
    """What a step takes. `queued`: sessions that may step and found no place in it."""

    chosen: tuple[tuple[Session, Work], ...]
    look: Look
    queued: int = 0

    @property
    def works(self) -> list[Work]:
        """The work of all sessions, in their order."""
        return [work for _, work in self.chosen]

    def apart(self) -> Iterator[Plan]:
        """The same, each session in a step of its own."""
        return (replace(self, chosen=(each,)) for each in self.chosen)


class Batch:
    """Chooses, and learns from what the steps cost and brought."""

    def __init__(self, batching: Batching) -> None:
        self.everybody = Experience()
        self._batching = batching
        self._time = StepTime()
        self._steps = 0

    def choose(self, ready: Sequence[Session]) -> Plan:
        """The work of the next step, from sessions that may step, longest served ago first.

        A prompt is taken once its pictures have been seen.
        """
        running = [session for session in ready if not session.prefilling][: self._batching.max_batch]
        look, most = self._look(running)
        if look is Look.OFF:
            for session in ready:
                session.verdict = Verdict(0, self._steps)
        chosen = [(session, session.work(0, count)) for session, count in zip(running, most, strict=True)]
        first = next((session for session in ready if session.begun and session.prefilling), None)
        if first is not None:
            chosen.append((first, first.work(self._batching.prefill_chunk, None if self._batching.proposals else 0)))
        return Plan(tuple(chosen), look, len(ready) - len(chosen))

    def saw(self, plan: Plan, seconds: float, cached: int) -> Seen:
        """A step took so long, with so many tokens in its caches. Steps with a prompt in them say little of others."""
        works = plan.works
        load = None
        if all(work.block.prompt == 0 for work in works):
            load = Load(sum(len(work.block.ids) for work in works), len(works), cached)
        known = load is not None and self._time.steps > 0
        foretold = Foretold(self._time.seconds(load) if load and known else None, self._time.coefficients)
        self._steps += 1
        if load is not None:
            self._time.saw(load, seconds)
        return Seen(self._steps, plan.look, seconds, foretold, plan.queued, cached)

    def _look(self, running: Sequence[Session]) -> tuple[Look, list[int]]:
        """By which rule the step looks at proposals, and at how many of each session."""
        pending, none = [session.offers.waiting for session in running], [0] * len(running)
        if not self._batching.proposals:
            return Look.OFF, none
        warm = self._time.steps >= WARM_UP
        if self._time.steps % (LOOK_AWAY if warm else 2) == 1:
            return Look.AWAY, none
        return self._by_rule(running, pending) if warm else (Look.WARM_UP, pending)

    def _by_rule(self, running: Sequence[Session], pending: Sequence[int]) -> tuple[Look, list[int]]:
        """What pays of so many proposals; now and then one of somebody's that does not."""
        base = Load(len(running), len(running), sum(session.cached for session in running))
        paths = [session.survival.paths(count) for session, count in zip(running, pending, strict=True)]
        self._judge(running, paths, base)
        admitted = admit(paths, base, self._time)
        if self._steps % probe_interval(base, self._time) == 0:  # what is not worth it today may be tomorrow
            probed = [max(most, min(1, count)) for most, count in zip(admitted, pending, strict=True)]
            if probed != admitted:
                return Look.PROBE, probed
        return Look.RULE, admitted

    def _judge(self, running: Sequence[Session], paths: Sequence[Sequence[float]], base: Load) -> None:
        """Say to the session that was told longest ago how many proposals a step like this would look at, of a window.

        Only to one in each step: it costs as much as the choice itself. Chances and costs change over many steps.
        """
        if running:
            place = min(range(len(running)), key=lambda i: running[i].verdict.step)
            one = running[place]
            whole = one.survival.paths(one.offers.most)
            admitted = admit([*paths[:place], whole, *paths[place + 1 :]], base, self._time)[place]
            one.verdict = Verdict(admitted, self._steps)
