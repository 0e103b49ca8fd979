"""What a step takes: which sessions, how much of a prompt, how many proposals of each.

Guarantees: who was served longest ago comes first; running answers wait at most for one chunk of somebody's prompt;
proposals are looked at only as far as the cost rule allows. It runs on the engine's thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge_server.engine.cost import MOST_HARM, Experience, Load, StepTime, admit, lead_after, probe_interval
from edge_server.engine.events import Foretold, Seen
from edge_server.engine.plan import Look, Plan
from edge_server.engine.session import Session, Verdict, Work
from shared.speculation.messages import Pace
from shared.speculation.tree import Tree

# A device that always proposes as much would hide what a token costs. So the first steps look at all proposals and at
# none in turn, and later now and then one at none: to skip proposals for a step is what the target alone does.
WARM_UP = 16  # steps
LOOK_AWAY = 50  # steps


@dataclass(frozen=True)
class Batching:
    """How steps are made up.

    `max_batch`: running answers in a step. `prefill_chunk`: prompt tokens in a step. `proposals`: whether any are
    looked at; without, the engine is the target alone. `sight_tokens`: visual tokens kept of pictures seen before.
    `turn`: steps in which a session of pace auto is in one at least.
    """

    max_batch: int = 64
    prefill_chunk: int = 512
    proposals: bool = True
    sight_tokens: int = 16_384
    turn: int = 8


class Batch:
    """Chooses, and learns from what the steps cost and brought."""

    def __init__(self, batching: Batching) -> None:
        self.everybody = Experience()
        self._batching = batching
        self._time = StepTime()
        self._steps = 0
        self._probed = 0  # the step that looked last at what is not worth it

    def choose(self, ready: Sequence[Session], followers: Sequence[Session] = ()) -> Plan:
        """The work of the next step, from sessions that want it, longest served ago first.

        A prompt is taken once its pictures have been seen. Where there is room, `followers` advance in it by a token
        each, as many as make it 2 % longer at most.
        """
        running = [session for session in ready if not session.prefilling][: self._batching.max_batch]
        look, most = self._look(running)
        if look is Look.OFF:
            for session in ready:
                session.verdict = Verdict(0, self._steps)
        chosen = [(session, session.work(0, count)) for session, count in zip(running, most, strict=True)]
        first = next((session for session in ready if session.begun and session.prefilling), None)
        if first is not None:
            if look not in (Look.OFF, Look.WARM_UP):
                self._judge_one(first, {}, Load(1, 1, first.cached))
            chosen.append((first, first.work(self._batching.prefill_chunk, self._early(first))))
        queued = len(ready) - len(chosen)
        following = self._following(chosen, followers[: self._batching.max_batch - len(running)])
        chosen += [(session, session.work(0, 0)) for session in following]
        return Plan(tuple(chosen), look, queued, len(following))

    def alone(self, session: Session) -> float:
        """Seconds that a step of this session alone will take, without proposals; 0 while nothing was seen."""
        return self._time.seconds(Load(1, 1, session.cached))

    def saw(self, plan: Plan, seconds: float, cached: int, stood: Mapping[Session, int]) -> Seen:
        """A step took so long, with so many tokens in its caches, and so many proposals of each session stood in it.

        Steps with a prompt in them say little of the time of others.
        """
        works = plan.works
        self._lead(plan, cached, stood)
        load = None
        if all(work.block.prompt == 0 for work in works):
            load = Load(sum(len(work.block.ids) for work in works), len(works), cached)
        known = load is not None and self._time.steps > 0
        foretold = Foretold(self._time.seconds(load) if load and known else None, self._time.coefficients)
        self._steps += 1
        if load is not None:
            self._time.saw(load, seconds)
        return Seen(self._steps, plan, seconds, foretold, cached)

    def _lead(self, plan: Plan, cached: int, stood: Mapping[Session, int]) -> None:
        """What the step's proposals brought each session, and what those of all took from it."""
        looked_at = sum(len(work.offer.pending.ids) for work in plan.works if work.offer is not None)
        base = Load(len(plan.chosen), len(plan.chosen), cached)
        alone = self._time.seconds(base)
        if not self._batching.proposals or alone <= 0:
            return
        stretch = self._time.seconds(replace(base, tokens=base.tokens + looked_at)) / alone
        for session, accepted in stood.items():
            session.lead = lead_after(session.lead, accepted, stretch)

    def _early(self, session: Session) -> int:
        """How many proposals are looked at behind the end of a prompt: the first token is not to come later for them.

        The time of so long a step grows with its tokens, so they may be 2 % of the prompt's, if they are worth a look.
        """
        prompt = min(self._batching.prefill_chunk, session.prompt_left)
        most = session.verdict.admitted
        return min(int((MOST_HARM - 1) * prompt), session.offers.most if most is None else most)

    def _following(self, chosen: Sequence[tuple[Session, Work]], followers: Sequence[Session]) -> list[Session]:
        """As many of the followers, from the first, as the step has room for without harm."""
        following: list[Session] = []
        works = [work for _, work in chosen]
        tokens = sum(work.block.prompt + len(work.block.ids) for work in works)
        load = Load(tokens, len(works), sum(session.cached for session, _ in chosen))
        most = MOST_HARM * self._time.seconds(load)
        if self._time.steps < WARM_UP or not chosen:
            return following
        for session in followers:
            load = Load(load.tokens + 1, load.sessions + 1, load.cached + session.cached)
            if self._time.seconds(load) > most:
                break
            following.append(session)
        return following

    def _look(self, running: Sequence[Session]) -> tuple[Look, list[int]]:
        """By which rule the step looks at proposals, and at how many of each session."""
        pending, none = [session.offers.waiting for session in running], [0] * len(running)
        if not self._batching.proposals:
            return Look.OFF, none
        warm = self._time.steps >= WARM_UP
        if self._time.steps % (LOOK_AWAY if warm else 2) == 1:
            return Look.AWAY, none
        return self._by_rule(running, pending) if warm else (Look.WARM_UP, [len(tree) for tree in pending])

    def _by_rule(self, running: Sequence[Session], pending: Sequence[Tree]) -> tuple[Look, list[int]]:
        """What pays of so many proposals; now and then one of somebody's that does not.

        A session of pace auto that has none has traded its floor: proposals of others may make its steps longer.
        """
        base = Load(len(running), len(running), sum(session.cached for session in running))
        paths = [session.survival.chances(tree) for session, tree in zip(running, pending, strict=True)]
        floored = [i for i, session in enumerate(running) if pending[i] or session.request.pace is not Pace.AUTO]
        if running:
            self._judge(running, {running[i]: paths[i] for i in floored}, base)
        admitted = [0] * len(running)
        leads = [running[i].lead for i in floored]
        for i, count in zip(floored, admit([paths[i] for i in floored], base, self._time, leads), strict=True):
            admitted[i] = count
        unseen = [i for i, tree in enumerate(pending) if tree and not admitted[i]]
        if unseen and self._steps - self._probed >= probe_interval(base, self._time):
            one = min(unseen, key=lambda i: running[i].probed)  # what is not worth it today may be tomorrow
            admitted[one], self._probed, running[one].probed = 1, self._steps, self._steps
            return Look.PROBE, admitted
        return Look.RULE, admitted

    def _judge(self, running: Sequence[Session], paths: Mapping[Session, Sequence[float]], base: Load) -> None:
        """Say to the session that was told longest ago how many proposals a step like this would look at, of a window.

        Only to one in each step: it costs as much as the choice itself. Chances and costs change over many steps.
        """
        told = min(running, key=lambda session: session.verdict.step)
        self._judge_one(told, {session: path for session, path in paths.items() if session is not told}, base)

    def _judge_one(self, session: Session, others: Mapping[Session, Sequence[float]], base: Load) -> None:
        """How many proposals of a whole window of `session` a step with this load and these others would look at."""
        whole = session.survival.paths(session.offers.most)
        leads = [each.lead for each in (session, *others)]
        session.verdict = Verdict(admit([whole, *others.values()], base, self._time, leads)[0], self._steps)
