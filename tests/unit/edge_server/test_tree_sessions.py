"""A session that is proposed trees: whatever a step looks at, the text is the target's, and so is the cache."""

from __future__ import annotations

import random
from time import monotonic

import pytest

from edge_server.engine.cost import Experience
from edge_server.engine.offers import Offers
from edge_server.engine.port import News, Request
from edge_server.engine.prompts import prepared
from edge_server.engine.session import Session
from shared.errors import CovspecError
from shared.speculation.coupled import Chooser, log_probabilities
from shared.speculation.edge import Rules
from shared.speculation.messages import Commit, Finished, Pace, Propose
from shared.speculation.request import Message, SamplingWish, Text
from shared.speculation.tree import Tree
from shared.vlm.single import extend, prefill
from tests.support.models import model_called

ASKED = (Message("user", (Text("what is it?"),)),)
WISHES = [
    SamplingWish(temperature=0, max_tokens=24),
    SamplingWish(temperature=1.0, repetition_penalty=1.3, top_p=0.9, max_tokens=24, ignore_eos=True),
]


def session_of(model: str, wish: SamplingWish) -> tuple[Session, Offers, list[News | CovspecError]]:
    vlm, news = model_called(model), list[News | CovspecError]()
    request = Request(ASKED, (), wish, 7, Pace.EAGER, log_probabilities=True)
    offers = Offers(Rules(32, 64, vlm.info.rows), (), monotonic)
    session = Session.prepare(vlm, prepared(vlm, request), offers, news.append, Experience())
    session.begin(vlm.see(session.prompt))
    return session, offers, news


def alone(session: Session) -> tuple[list[int], list[float]]:
    """What the target says by itself, token by token, and how likely it found that."""
    vlm, parameters = session.vlm, session.terms.parameters
    chooser = Chooser(parameters, session.prompt.ids)
    prompt = vlm.prepare(ASKED, ())
    decoder, rows = prefill(vlm, prompt, vlm.see(prompt))
    ids, told = list[int](), list[float]()
    while len(ids) < parameters.max_tokens and not (ids and ids[-1] in parameters.end_ids):
        ids.append(chooser.choose(rows[-1], ids))
        told += log_probabilities(rows[-1:], ids[-1:])
        rows = extend(vlm, decoder, ids[-1:])
    return ids, told


def tree_by_chance(rng: random.Random, left: Tree, truth: list[int], most: int) -> Tree:
    """`left`, grown by ids that are now and then those of `truth`, what follows the tree's root."""
    tree = left
    for _ in range(rng.randint(0, most)):
        good = tree.path(truth)
        goes_on = rng.random() < 0.5 and len(good) < len(truth)
        parent = (good[-1] if good else -1) if goes_on else rng.randint(-1, len(tree) - 1)
        token = truth[len(good)] if goes_on else rng.randint(40, 60)
        if tree.child(parent, token) is None:
            tree = tree.grown((token,), (parent,))
    return tree


@pytest.mark.parametrize("wish", WISHES, ids=["greedy", "noise and penalties"])
@pytest.mark.parametrize("model", ["toy", "qwen3_vl", "gemma3"])
def test_whatever_tree_is_proposed_the_text_is_the_targets(model: str, wish: SamplingWish) -> None:
    beside = 0
    for seed in range(3):
        rng = random.Random(seed)
        session, offers, news = session_of(model, wish)
        truth, told = alone(session)
        seen, held, late = 0, Tree.EMPTY, rng.random() < 0.5
        while session.ended is None:
            text = [token for each in news if isinstance(each, Commit) for token in each.ids]
            if not late or not session.prefilling:
                now = rng.randint(seen, len(text))  # what the device has heard of that
                left = held.below(text[seen:now])
                held = tree_by_chance(rng, left, truth[now:], 5)
                new = held.parents[len(left) :]
                offers.hear(Propose(now, now + len(left), held.ids[len(left) :], parents=tuple(p + 1 for p in new)))
                seen = now
            work = session.work(5, rng.choice([None, 1, 3, 8]))
            (rows,) = session.vlm.step([work.block])
            commit = session.done(work, rows, 0.01)
            if commit is not None and work.offer is not None:
                stood = work.offer.pending.tree.path(commit.ids)
                assert len(stood) < len(commit.ids) or session.ended is not None  # down as far as the tree goes with it
                beside += stood != list(range(len(stood)))
        commits = [each for each in news if isinstance(each, Commit)]
        assert [token for each in commits for token in each.ids] == truth
        assert [value for each in commits for value in each.log_probabilities] == pytest.approx(told, abs=1e-4)
        assert isinstance(news[-1], Finished)
    assert beside >= 2
