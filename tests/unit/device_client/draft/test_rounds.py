"""Where the edge waits: a round is as long as is best, drafting meanwhile is free, and a hopeless one is not begun."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_client.draft.policy import Handing, Lesson, Move, Times, View
from device_client.draft.prices import PRICES
from device_client.draft.rounds import FIRST, LEARNED, Rounds, RoundTimes
from shared.speculation.coupled import Choice

MS = 1e-3
TOKEN = Choice(1, 2, 3.0, 0.1, 0.9)
WINDOW = 16


def view(length: int, sent: int = 0, typical: float = 0.8, **changes: object) -> View:
    """A path of `length` tokens, each of which stands with chance `typical`, at the moment after it was drafted."""
    plain = View(
        path=[TOKEN] * length,
        chances=[typical] * length,
        sent=sent,
        room=WINDOW - length,
        typical=typical,
        times=Times(draft=55 * MS, step=190 * MS, beat=190 * MS, round_trip=20 * MS),
        handing=Handing.HOLD,
        now=10.0,
        heard_at=9.9,
        said_at=10.0 if sent else 9.0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def learned() -> Rounds:
    rounds = Rounds(PRICES["speed"])
    rounds.learn(Lesson([TOKEN] * LEARNED, LEARNED, went_further=True))
    return rounds


def rate(length: int, typical: float, draft: float, turn: float) -> float:
    """Tokens a second of rounds of this length, by the law of renewals."""
    return sum(typical**count for count in range(length + 1)) / (length * draft + turn)


@given(
    st.floats(0.05, 0.99), st.floats(0.001, 0.3), st.floats(0.01, 0.5), st.floats(0, 0.5), st.sampled_from([1, 4, 16])
)
def test_a_round_in_lockstep_has_the_length_that_is_best_in_the_long_run(
    typical: float, draft: float, step: float, round_trip: float, window: int
) -> None:
    times, rounds = Times(draft=draft, step=step, round_trip=round_trip), Rounds(PRICES["speed"])
    here = view(0, typical=typical, times=times, handing=Handing.LOCKSTEP, room=window)
    length = 0
    while rounds.propose(here) is Move.DRAFT:
        length += 1
        here = replace(here, path=[TOKEN] * length, chances=[typical] * length, room=window - length)
    best = max(rate(count, typical, draft, step + round_trip) for count in range(1, window + 1))
    if length:
        assert rate(length, typical, draft, step + round_trip) == pytest.approx(best)
    else:  # not even one: drafting it is worse than the turn alone
        assert best <= rate(0, typical, draft, step + round_trip) * (1 + 1e-9)


def test_what_is_drafted_meanwhile_makes_rounds_faster_the_likelier_they_are_kept() -> None:
    held, lockstep = (RoundTimes(55 * MS, 190 * MS, 20 * MS, ahead=ahead) for ahead in (True, False))
    gains = [held.best_rate(each, WINDOW) / lockstep.best_rate(each, WINDOW) for each in (0.0, 0.5, 0.8, 0.99)]
    assert gains[0] == 1
    assert gains == sorted(set(gains))
    assert held.best_rate(1.0, WINDOW) <= 1 / (55 * MS) + 1 / (210 * MS)  # the draft makes no more, nor do the turns


def test_time_is_free_while_the_edge_works_until_a_correction_may_be_kept_waiting() -> None:
    doubtful = view(3, sent=3, typical=0.5)
    assert learned().propose(doubtful) is Move.DRAFT
    assert learned().propose(replace(doubtful, now=10.0 + 0.18)) is Move.WAIT
    assert learned().propose(replace(doubtful, handing=Handing.LOCKSTEP)) is Move.WAIT
    sure = view(3, sent=3, typical=0.99)
    assert learned().propose(replace(sure, now=10.0 + 0.18)) is Move.DRAFT


def test_what_is_drafted_meanwhile_is_handed_over_with_the_commit_and_not_before() -> None:
    full = view(WINDOW, sent=2)
    assert learned().propose(full) is Move.WAIT
    assert learned().propose(replace(full, sent=0)) is Move.SEND


def test_where_a_word_takes_longer_than_a_draft_it_is_handed_over_for_the_edges_next_step() -> None:
    far = view(5, sent=2, times=Times(draft=55 * MS, step=190 * MS, round_trip=60 * MS))
    assert learned().propose(far) is Move.DRAFT
    assert learned().propose(replace(far, now=10.0 + 0.15)) is Move.SEND
    overtaken = replace(far, now=10.0 + 0.15, sent=4)  # one token more: the step under way brings that itself
    assert learned().propose(overtaken) is not Move.SEND


def test_a_first_word_is_short_and_those_after_it_double_what_was_said() -> None:
    unknown = Times(draft=55 * MS)
    said, sent = [], 0
    for length in range(1, WINDOW + 1):
        move = Rounds(PRICES["speed"]).propose(view(length, sent=sent, times=unknown))
        if move is Move.SEND:
            said.append(length)
            sent = length
        else:
            assert move is Move.DRAFT
    assert said == [FIRST, 2 * FIRST, 4 * FIRST]


def test_a_first_word_in_lockstep_waits_for_its_commit() -> None:
    unknown = view(FIRST, times=Times(), handing=Handing.LOCKSTEP)
    assert Rounds(PRICES["speed"]).propose(unknown) is Move.SEND
    assert Rounds(PRICES["speed"]).propose(replace(unknown, sent=FIRST)) is Move.WAIT


def test_rounds_slower_than_the_edge_alone_are_not_begun_once_that_is_known() -> None:
    slow = view(0, times=Times(draft=30 * MS, step=40 * MS, round_trip=60 * MS))
    assert Rounds(PRICES["speed"]).propose(slow) is Move.DRAFT
    assert learned().propose(slow) is Move.QUIET
    begun = replace(view(1, times=slow.times))
    assert learned().propose(begun) is not Move.QUIET
    assert learned().propose(replace(slow, times=Times(draft=5 * MS, step=40 * MS, round_trip=20 * MS))) is Move.DRAFT


def test_dearer_prices_make_shorter_rounds() -> None:
    def length(prefer: str) -> int:
        rounds = Rounds(PRICES[prefer])
        return next(n for n in range(1, WINDOW + 1) if rounds.propose(view(n, typical=0.9)) is Move.SEND)

    assert length("cost") < length("speed")
    assert length("battery") < length("speed")
