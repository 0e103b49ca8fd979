"""Sessions and steps of the engine without its thread: what a step takes is chosen, done and learned from by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from edge_server.engine.batch import Batch
from edge_server.engine.cost import Experience, Load
from edge_server.engine.offers import Offers
from edge_server.engine.plan import Plan
from edge_server.engine.port import News, Request
from edge_server.engine.prompts import prepared
from edge_server.engine.session import Session
from shared.errors import CovspecError
from shared.speculation.edge import Rules
from shared.speculation.messages import Commit, Pace, Propose
from shared.speculation.request import Message, SamplingWish, Text
from shared.vlm.toy import ToyVlm

WINDOW = 16


@dataclass
class Told:
    """What a session has been told. Proposes as a device would that has read all of it."""

    session: Session = field(init=False)
    news: list[News | CovspecError] = field(default_factory=list)
    proposed_at: int = -1

    @property
    def commits(self) -> list[Commit]:
        return [news for news in self.news if isinstance(news, Commit)]

    def propose(self, ids: Sequence[int] = ()) -> None:
        """Propose anew, after all that was told, or acknowledge it without ids. Nothing, while a path waits there."""
        end = self.session.offers.length
        if end > self.proposed_at:
            self.session.offers.hear(Propose(end, end, tuple(ids)))
            self.proposed_at = end if ids else -1


def session(
    vlm: ToyVlm, text: str = "hello", pace: Pace = Pace.EAGER, max_ahead: int = 1000, max_tokens: int = 900
) -> Told:
    """A session whose pictures have been seen."""
    wish = SamplingWish(temperature=0, ignore_eos=True, max_tokens=max_tokens)
    request = Request((Message("user", (Text(text),)),), (), wish, 0, pace)
    offers = Offers(Rules(WINDOW, max_ahead, vlm.info.rows), (), monotonic)
    told = Told()
    told.session = Session.prepare(vlm, prepared(vlm, request), offers, told.news.append, Experience())
    told.session.begin(vlm.see(told.session.prompt))
    return told


def step(
    vlm: ToyVlm,
    batch: Batch,
    ready: Sequence[Session],
    seconds: Callable[[Load], float] = lambda _: 0.01,
    followers: Sequence[Session] = (),
) -> Plan:
    """One step; `seconds` says how long it takes."""
    plan = batch.choose(ready, followers)
    cached = sum(each.cached for each, _ in plan.chosen)
    rows = vlm.step([work.block for work in plan.works])
    load = Load(sum(work.block.prompt + len(work.block.ids) for work in plan.works), len(plan.works), cached)
    commits = {
        each: each.done(work, logits, seconds(load)) for (each, work), logits in zip(plan.chosen, rows, strict=True)
    }
    batch.saw(plan, seconds(load), cached, {each: commit.accepted[0] for each, commit in commits.items() if commit})
    return plan
