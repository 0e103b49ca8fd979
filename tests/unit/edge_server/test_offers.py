"""The mailbox wakes the engine for every word, and tells how long a proposal was held."""

from __future__ import annotations

import threading

import pytest

from edge_server.engine.offers import TIMED_EVERY, Offers
from shared.errors import InvalidValue
from shared.speculation.edge import Rules
from shared.speculation.messages import Commit, Pace, Propose, Timings, Yield


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_every_word_wakes_the_engine_and_a_refused_one_does_not() -> None:
    offers, woken = Offers(Rules(4, 8, 256), (), Clock()), []
    offers.wake = lambda: woken.append(offers.may_step(Pace.THRIFTY))  # without the lock, or this would hang
    offers.hear(Propose(0, 0, (7,)))
    offers.hear(Yield(True))
    with pytest.raises(InvalidValue):
        offers.hear(Propose(9, 9))
    assert woken == [True, True]


def test_a_commit_tells_how_long_its_proposal_was_held() -> None:
    clock = Clock()
    offers = Offers(Rules(4, 8, 256), (), clock)
    offers.hear(Propose(0, 0, (7, 8)))
    clock.now += 0.5
    offer = offers.take()
    assert (offer.pending.ids, offer.committed) == ((7, 8), ())
    clock.now += 0.25
    assert offers.commit(offer, (7, 9), 0.25) == Commit(0, (7, 9), (1,), 1, None, Timings(250_000, 750_000))
    assert offers.length == 2


def test_times_are_told_with_the_first_two_commits_and_then_now_and_again() -> None:
    offers = Offers(Rules(4, 64, 256), (), Clock())
    told = [offers.commit(offers.take(), (7,), 0.25).timings is not None for _ in range(2 * TIMED_EVERY + 1)]
    assert told == [step == 1 or step % TIMED_EVERY == 0 for step in range(2 * TIMED_EVERY + 1)]


def test_a_word_that_comes_during_a_step_waits_for_the_next() -> None:
    offers = Offers(Rules(4, 8, 256), (), Clock())
    offers.hear(Propose(0, 0, (7,)))
    offer = offers.take()
    offers.hear(Propose(0, 1, (8, 9)))
    assert offers.commit(offer, (7, 8), 0.0).heard == 1
    assert offers.take().pending.ids == (9,)


def test_words_from_many_threads_are_all_heard() -> None:
    offers = Offers(Rules(4, 8, 256), (), Clock())

    def say_much() -> None:
        for _ in range(200):
            offers.hear(Propose(0, 0))

    threads = [threading.Thread(target=say_much) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert offers.take().pending.heard == 800
