"""Each policy by example: when it goes on, hands over, waits and is quiet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_client.draft.marginal import PROBE_AFTER, Marginal
from device_client.draft.policy import Handing, Lesson, Move, Times, View
from device_client.draft.prices import PRICES
from device_client.draft.stopping import Confidence, EntropyBound, EntropyDepth, Fixed, MovingAverage
from shared.speculation.coupled import Choice

MS = 1e-3
SURE = Choice(1, 2, 8.0, 0.01, 0.99)
UNSURE = Choice(1, 2, 0.1, 2.0, 0.2)
PAPER = Times(draft=55 * MS, step=190 * MS, beat=190 * MS, round_trip=20 * MS)


def view(*path: tuple[Choice, float], **changes: object) -> View:
    """A path with its chances, all of it sent, on a quick link; `changes` to that."""
    plain = View(
        path=[choice for choice, _ in path],
        chances=[chance for _, chance in path],
        sent=len(path),
        room=16,
        typical=0.8,
        times=PAPER,
        handing=Handing.STREAM,
        now=10.0,
        heard_at=10.0,
        said_at=9.0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


GOOD, BAD = (SURE, 0.95), (UNSURE, 0.3)


def test_fixed_holds_so_many() -> None:
    assert Fixed(2).propose(view(GOOD)) is Move.DRAFT
    assert Fixed(2).propose(view(GOOD, GOOD)) is Move.WAIT
    assert Fixed(2).propose(view(GOOD, room=0)) is Move.WAIT


@pytest.mark.parametrize("policy", [Confidence(), EntropyBound()])
def test_a_rule_of_confidence_stops_behind_an_unsure_token(policy: Confidence | EntropyBound) -> None:
    assert policy.propose(view(GOOD, GOOD, GOOD)) is Move.DRAFT
    assert policy.propose(view(GOOD, BAD, GOOD)) is Move.WAIT


def test_entropy_plans_the_next_depth_within_its_bounds() -> None:
    for choice, reaches in ((SURE, 8), (UNSURE, 3)):
        policy = EntropyDepth()
        policy.learn(Lesson([choice] * 3, 3 if choice is SURE else 2, went_further=False))
        length = 0
        while policy.propose(view(*[GOOD] * length)) is Move.DRAFT:
            length += 1
        assert abs(length - reaches) <= 2


def test_the_moving_average_drafts_longer_over_a_longer_way() -> None:
    policy = MovingAverage()
    near, far = (replace(PAPER, round_trip=seconds) for seconds in (0.0, 0.4))

    def length(times: Times, handing: Handing = Handing.STREAM) -> int:
        seen = (view(*[GOOD] * n, sent=0, times=times, handing=handing, now=9.0) for n in range(20))
        return next(n for n, each in enumerate(seen) if policy.propose(each) is not Move.DRAFT)

    assert length(near, Handing.HOLD) < length(far, Handing.HOLD)
    # Where somebody waits, a whole window might stand behind a token that falls.
    assert [length(Times(), handing) for handing in (Handing.LOCKSTEP, Handing.HOLD)] == [MovingAverage.FIRST] * 2
    whole = next(n for n in range(20) if policy.propose(view(*[GOOD] * n, times=Times())) is Move.WAIT)
    assert whole == MovingAverage.MOST


def test_stop_and_wait_waits_for_what_was_sent_and_sends_what_was_not() -> None:
    lockstep = replace(view(GOOD, GOOD), handing=Handing.LOCKSTEP)
    assert Fixed(4).propose(lockstep) is Move.WAIT
    assert Fixed(4).propose(replace(lockstep, sent=0)) is Move.DRAFT
    assert Fixed(2).propose(replace(lockstep, sent=0)) is Move.SEND


def test_tokens_stream_a_few_words_a_step() -> None:
    policy = Fixed(16)
    assert policy.propose(view(GOOD, sent=0, said_at=9.99)) is Move.DRAFT
    assert policy.propose(view(GOOD, sent=0, said_at=9.9)) is Move.SEND
    assert policy.propose(view(GOOD, sent=0, said_at=9.99, room=0)) is Move.SEND


def test_before_the_first_step_each_word_doubles_what_was_said() -> None:
    unknown = Times()
    assert Fixed(16).propose(view(GOOD, sent=0, times=unknown)) is Move.SEND
    assert Fixed(16).propose(view(GOOD, GOOD, GOOD, sent=2, times=unknown)) is Move.DRAFT
    assert Fixed(16).propose(view(GOOD, GOOD, GOOD, GOOD, sent=2, times=unknown)) is Move.SEND


def test_marginal_drafts_on_while_nothing_is_known() -> None:
    assert Marginal().propose(view(BAD, BAD, times=Times())) is Move.DRAFT


def test_marginal_waits_for_a_correction_that_is_about_to_come() -> None:
    soon = view(BAD, heard_at=10.0 - 0.185)
    assert Marginal().propose(soon) is Move.WAIT
    assert Marginal().propose(replace(soon, chances=[0.99])) is Move.DRAFT
    assert Marginal().propose(replace(soon, heard_at=10.0)) is Move.DRAFT


@pytest.mark.parametrize(
    "times",
    [replace(PAPER, draft=200 * MS), replace(PAPER, step=60 * MS, beat=60 * MS, round_trip=2.0)],
    ids=["slower than the edge", "the edge is too far ahead"],
)
def test_marginal_is_quiet_where_no_token_comes_in_time_and_probes(times: Times) -> None:
    policy = Marginal()
    assert policy.propose(view(times=times)) is Move.QUIET
    for _ in range(PROBE_AFTER):
        policy.learn(Lesson((), 0, went_further=True))
    assert policy.propose(view(times=times)) is Move.DRAFT
    policy.learn(Lesson((), 0, went_further=True))
    assert policy.propose(view(times=times)) is Move.QUIET


def test_marginal_is_quiet_with_a_draft_that_is_never_right() -> None:
    assert Marginal().propose(view(typical=0.001)) is Move.QUIET


def test_dearer_prices_draft_less() -> None:
    def length(prefer: str) -> int:
        policy = Marginal(PRICES[prefer])
        return next(n for n in range(40) if policy.propose(view(*[(SURE, 0.7)] * n)) is not Move.DRAFT or n == 39)

    assert length("battery") < length("speed")
    assert length("cost") < length("speed")


def test_where_the_edge_waits_the_first_token_is_worth_more_than_a_late_one() -> None:
    held = replace(view(), handing=Handing.HOLD)
    assert Marginal().propose(held) is Move.DRAFT
    doubtful = replace(view(*[(UNSURE, 0.5)] * 5), handing=Handing.HOLD, sent=0)
    assert Marginal().propose(doubtful) is Move.SEND
