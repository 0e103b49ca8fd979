"""What a step takes, on the toy: turns, chunks of a prompt, pictures seen before."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

import pytest

from edge_server.engine.batch import Batch, Batching
from edge_server.engine.cost import Experience
from edge_server.engine.offers import Offers
from edge_server.engine.port import Request
from edge_server.engine.prompts import prepared
from edge_server.engine.session import Session
from edge_server.engine.sights import Sights
from shared.speculation.edge import Rules
from shared.speculation.messages import Pace, Propose
from shared.speculation.request import Message, Picture, SamplingWish, Text
from shared.vlm.toy import ToyVlm
from tests.support import batches
from tests.support.system import toy_target


def forget(_: object) -> None:
    """Nobody reads the news."""


def step(vlm: ToyVlm, batch: Batch, ready: list[Session]) -> list[Session]:
    return [each for each, _ in batches.step(vlm, batch, ready).chosen]


def session(vlm: ToyVlm, text: str) -> Session:
    return batches.session(vlm, text).session


def test_a_long_prompt_enters_in_chunks_while_others_go_on() -> None:
    vlm, batch = toy_target(), Batch(Batching(prefill_chunk=4))
    told = batches.session(vlm)
    running = told.session
    while running.prefilling:
        step(vlm, batch, [running])
    long = session(vlm, "many words " * 10)
    steps, before = 0, len(told.commits)
    while long.prefilling:
        assert step(vlm, batch, [running, long]) == [running, long]
        steps += 1
    assert steps == -(-long.terms.prompt_tokens // 4)
    assert len(told.commits) - before == steps


@pytest.mark.parametrize("proposals", [True, False])
def test_the_first_token_does_not_come_later_for_proposals(proposals: bool) -> None:
    vlm, batch = toy_target(), Batch(Batching(proposals=proposals))
    told = batches.session(vlm, "many words " * 30)
    told.propose(range(16))
    (work,) = batch.choose([told.session]).works
    assert work.block.prompt == told.session.terms.prompt_tokens
    assert len(work.block.ids) == (work.block.prompt // 50 if proposals else 0) < 16


def test_one_prompt_at_a_time_enters() -> None:
    vlm, batch = toy_target(), Batch(Batching(prefill_chunk=4))
    first, second = session(vlm, "one one one one one"), session(vlm, "two two two two two")
    assert step(vlm, batch, [first, second]) == [first]


def test_prompts_that_wait_do_not_keep_running_answers_out() -> None:
    vlm, batch = toy_target(), Batch(Batching(max_batch=2, prefill_chunk=4))
    running = session(vlm, "hello")
    while running.prefilling:
        step(vlm, batch, [running])
    waiting = [session(vlm, "many words " * 10) for _ in range(3)]
    assert step(vlm, batch, [*waiting, running]) == [running, waiting[0]]


def test_no_more_than_the_batch_holds_step_together() -> None:
    vlm, batch = toy_target(), Batch(Batching(max_batch=2))
    sessions = [session(vlm, f"number {number}") for number in range(3)]
    for each in sessions:
        step(vlm, batch, [each])
    assert step(vlm, batch, sessions) == sessions[:2]


@pytest.mark.parametrize(("proposals", "looked_at"), [(True, 3), (False, 0)])
def test_proposals_are_looked_at_unless_they_are_switched_off(proposals: bool, looked_at: int) -> None:
    vlm, batch = toy_target(), Batch(Batching(proposals=proposals))
    running = session(vlm, "hello")
    step(vlm, batch, [running])
    running.offers.hear(Propose(0, 0, (1, 2, 3)[:0]))
    running.offers.hear(Propose(1, 1, (40, 41, 42)))
    (work,) = batch.choose([running]).works
    assert work.offer is not None
    assert len(work.offer.pending.ids) == looked_at


def test_a_target_that_is_compute_bound_stops_looking_at_proposals() -> None:
    vlm, batch = toy_target(), Batch(Batching())
    told = batches.session(vlm)
    looked_at = []
    for _ in range(45):
        told.propose((40, 41, 42, 43))
        (work,) = batches.step(vlm, batch, [told.session], lambda load: 0.01 * load.tokens).works
        looked_at.append(len(work.block.ids) - 1)
    assert max(looked_at[1:10]) == 4
    assert min(looked_at[1:10]) == 0
    assert sum(looked_at[-20:]) <= 2


def test_pictures_seen_before_are_known_by_content_and_order() -> None:
    vlm, sights = toy_target(), Sights(100)
    from PIL import Image

    pictures = (Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue"))
    asked = Request(
        (Message("user", (Picture(0), Picture(1), Text("what?"))),), pictures, SamplingWish(), 0, Pace.EAGER
    )
    turned = replace(asked, messages=(Message("user", (Picture(1), Picture(0), Text("what?"))),))

    def seen(request: Request, *digests: bytes) -> object:
        offers = Offers(Rules(16, 100, vlm.info.rows), (), monotonic)
        made = Session.prepare(vlm, prepared(vlm, replace(request, digests=digests)), offers, forget, Experience())
        return sights.see(vlm, made)

    first = seen(asked, b"red", b"blue")
    assert seen(asked, b"red", b"blue") is first
    assert seen(turned, b"red", b"blue") is not first
    assert seen(turned, b"blue", b"red") is first
    assert seen(asked, b"red", b"green") is not first
    assert seen(replace(asked, tenant="somebody"), b"red", b"blue") is not first
    assert seen(asked) is not seen(asked)


def test_sights_beyond_the_bound_leave_oldest_first() -> None:
    from PIL import Image

    vlm, sights = toy_target(), Sights(8)
    made = []
    for digest in (b"a", b"b", b"c"):
        message = Message("user", (Picture(0), Text("what?")))
        picture = Image.new("RGB", (32, 32), "red")  # 4 visual tokens
        request = Request((message,), (picture,), SamplingWish(), 0, Pace.EAGER, digests=(digest,))
        offers = Offers(Rules(16, 100, vlm.info.rows), (), monotonic)
        made.append(Session.prepare(vlm, prepared(vlm, request), offers, forget, Experience()))
    seen = [sights.see(vlm, each) for each in made]
    assert sights.see(vlm, made[2]) is seen[2]
    assert sights.see(vlm, made[0]) is not seen[0]
