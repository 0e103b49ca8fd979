"""What is found in cells is what stands in them, welcome or not."""

from __future__ import annotations

import pytest

from benchmarks.speed.pairs import Estimate
from benchmarks.table.cell import Cell, Clock, Sent
from benchmarks.table.report.findings import (
    Comparison,
    Rank,
    below_the_floor,
    both_clocks,
    compared,
    differing,
    front,
    late,
    owing,
    saved,
    spots,
    talkative,
)
from tests.support.cells import made_up


def beside(ours: Cell, *others: Cell) -> Comparison:
    (spot,) = spots([ours, *others])
    found = compared(spot)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("ours", "other", "rank"),
    [
        (2.0, 1.5, Rank.AHEAD),
        (1.6, 1.5, Rank.CLOSE_AHEAD),
        (1.4, 1.5, Rank.CLOSE_BEHIND),
        (1.2, 1.5, Rank.BEHIND),
    ],
)
def test_ours_is_ranked_beside_the_fastest_other_lossless_method(ours: float, other: float, rank: Rank) -> None:
    one = beside(made_up("covspec", ours), made_up("dssd", other), made_up("stop-and-wait", 0.5), made_up("edge-only"))
    assert (one.rank, one.best.method, one.worth) == (rank, "dssd", True)


def test_who_is_lossy_is_no_rival_and_who_loses_to_the_target_alone_proves_nothing() -> None:
    one = beside(made_up("covspec", 0.99), made_up("u-hlm", 3.0), made_up("device-only", 3.0), made_up("dssd", 0.8))
    assert (one.best.method, one.worth) == ("dssd", False)
    (spot,) = spots([made_up("covspec"), made_up("u-hlm"), made_up("edge-only"), made_up("covspec:tree", 3.0)])
    assert compared(spot) is None  # a variant of ours is no rival either


def test_rejection_above_temperature_0_is_a_rival_too() -> None:
    one = beside(made_up("covspec", 1.2, temperature=0.7), made_up("dssd", 1.5, temperature=0.7))
    assert one.best.method == "dssd"


def test_the_floor_is_missed_where_the_whole_interval_lies_below_it() -> None:
    below, touching = made_up("covspec", 0.9, half=0.06), made_up("covspec", 0.9, half=0.08)
    assert below_the_floor([below, touching, made_up("dssd", 0.5)]) == [below]


def test_a_first_token_is_late_where_the_whole_interval_says_so() -> None:
    later, perhaps = (made_up("covspec", first_token_ratio=Estimate(1.1, low, 1.2)) for low in (1.04, 1.02))
    assert late([later, perhaps, made_up("covspec"), made_up("dssd", first_token_ratio=Estimate(2, 2, 2))]) == [later]


def test_an_answer_that_differs_counts_where_it_must_not() -> None:
    wrong = made_up("covspec", differing=1)
    drawn_anew = made_up("dssd", temperature=0.7, differing=9)
    replayed = made_up("covspec", clock=Clock.VIRTUAL)  # its text is the target's own from the start
    assert owing([wrong, drawn_anew, replayed, made_up("edge-only")]) == [wrong]
    assert differing([wrong, drawn_anew, made_up("u-hlm", differing=3)]) == [wrong]


def test_bytes_beyond_what_is_wanted_are_said_and_the_picture_is_not_among_them() -> None:
    picture = Sent("up", "image_chunk", 1e6, 1e6)
    much = made_up("covspec", sent=(picture, Sent("up", "propose", 33_000.0, 0.0)))
    little = made_up("covspec", link="wifi", sent=(picture, Sent("up", "propose", 32_000.0, 0.0)))
    assert talkative([much, little]) == [much]


def test_on_the_front_is_who_is_beaten_by_nobody_in_everything() -> None:
    cheap = (Sent("up", "propose", 10.0, 10.0),)
    ours = made_up("covspec", 2.0)
    alone = made_up("edge-only", 1.0, sent=cheap)  # fewer bytes
    draft = made_up("device-only", 3.0, accuracy=0.5)  # faster, and worse
    beaten = made_up("dssd", 1.5)
    (spot,) = spots([ours, alone, draft, beaten, made_up("u-hlm", 9.0, accuracy=None)])
    assert {cell.method for cell in front(spot)} == {"covspec", "edge-only", "device-only"}
    (twins,) = spots([made_up("covspec", 2.0), made_up("dssd", 2.0)])
    assert len(front(twins)) == 2


def test_what_nobody_compared_is_not_paid_for() -> None:
    assert saved(made_up("dssd", target_tokens_per_token=1.07)) == pytest.approx(-7)
    assert saved(made_up("covspec-paper", target_tokens_per_token=1.1, unverified=0.4)) == pytest.approx(30)
    assert saved(made_up("device-only", target_tokens_per_token=None)) is None


def test_two_clocks_are_compared_where_they_tell_of_the_same() -> None:
    wall, virtual = made_up("covspec", 2.0), made_up("covspec", 2.1, clock=Clock.VIRTUAL)
    elsewhere = made_up("covspec", 2.1, clock=Clock.VIRTUAL, setting="40 : 1")
    assert both_clocks([wall, virtual, elsewhere]) == [(wall, virtual)]
    assert len(spots([wall, virtual, elsewhere])) == 3


def test_places_come_in_the_order_of_their_links() -> None:
    cells = [made_up("covspec", link=name) for name in ("bad-4g", "paper", "wifi")]
    assert [spot.any.link.name for spot in spots(cells)] == ["wifi", "bad-4g", "paper"]
