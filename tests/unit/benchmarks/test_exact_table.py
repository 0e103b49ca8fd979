"""The table of the exact benchmark counts what is identical, and forgives nothing."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.exact.plan import plan
from benchmarks.exact.running import Outcome
from benchmarks.exact.table import summary, table
from shared.speculation.messages import Pace

SAID = (5, 6, 7)
OUTCOMES = [Outcome(case, SAID, SAID, (), drafted=2, foreseen=1) for case in plan(12, 0, tuple(Pace))]


def line(outcomes: list[Outcome], axis: str, level: str) -> list[str]:
    begin = f"{axis:<10}{level:<18}"
    (found,) = [each for each in table(outcomes).splitlines() if each.startswith(begin)]
    return found[len(begin) :].split()


def test_an_answer_is_identical_only_if_all_its_ids_are() -> None:
    same = OUTCOMES[0]
    assert same.identical
    for said in ((5, 6, 8), (5, 6), (5, 6, 7, 8), ()):
        assert not replace(same, said=said).identical


def test_an_answer_that_failed_is_not_identical() -> None:
    assert not replace(OUTCOMES[0], failure="Unavailable: gone").identical


def test_the_table_has_what_was_asked_and_what_was_identical() -> None:
    assert line(OUTCOMES, "all", "") == ["12", "12", "36", "24", "12", "0", "0"]
    assert line(OUTCOMES, "window", "16") == ["4", "4", "12", "8", "4", "0", "0"]


def test_one_wrong_token_shows_in_the_lines_of_its_own_levels_alone() -> None:
    wrong = next(outcome for outcome in OUTCOMES if outcome.case.window == 4)
    spoiled = [replace(each, said=(5, 6, 8)) if each is wrong else each for each in OUTCOMES]
    assert line(spoiled, "all", "")[:2] == ["12", "11"]
    assert line(spoiled, "window", "4")[:2] == ["4", "3"]
    assert line(spoiled, "window", "16")[:2] == ["4", "4"]
    assert summary(spoiled).startswith("11 of 12 answers identical")


def test_an_answer_that_differs_says_how_to_ask_it_again() -> None:
    outcome = replace(OUTCOMES[7], said=(5, 6, 8))
    assert "[5, 6, 8], alone [5, 6, 7]" in str(outcome)
    assert str(outcome).endswith("--only 7")


def test_an_answer_that_weaker_sampling_would_say_too_was_not_decided_by_it() -> None:
    outcome = OUTCOMES[0]
    assert [replace(outcome, weaker=weaker).decided for weaker in ((), SAID, (5, 6, 8))] == [False, False, True]


def test_answers_whose_link_broke_are_counted() -> None:
    cut = [replace(each, reconnects=3) if each.case.number == 2 else each for each in OUTCOMES]
    assert line(cut, "all", "")[-1] == "1"
    assert "3 reconnects" in summary(cut)
