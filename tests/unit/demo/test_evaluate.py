"""The arithmetic of the measurement."""

from __future__ import annotations

import pytest
import torch

from training.evaluate import Agreement, Placed, Quality, table


def test_f1_counts_pairs_over_all_descriptions() -> None:
    placed = Placed()
    placed.add({("dog", "top row"), ("cat", "on the left")}, {("dog", "top row")})
    placed.add(set(), {("fox", "on the left")})
    assert placed.f1() == pytest.approx(2 * 1 / (2 + 2))


def test_qualities_of_two_splits_add_up() -> None:
    easy = Quality(10, {"where": 10, "list": 8}, Placed(4, 4, 4))
    rich = Quality(10, {"where": 9, "list": 5}, Placed(1, 2, 4))
    rows = (easy + rich).rows()
    assert rows["where"] == pytest.approx(0.95)
    assert rows["list"] == pytest.approx(0.65)
    assert rows["all kinds together"] == pytest.approx(0.8)
    assert rows["object-position F1"] == pytest.approx(2 * 5 / (6 + 8))


def test_tokens_that_need_the_picture_are_those_a_blind_draft_gets_wrong() -> None:
    agreed = Agreement(torch.tensor([True, True, False, True]), torch.tensor([True, False, False, True]), 1)
    rows = (agreed + agreed).rows()
    assert rows["tokens"] == 8
    assert rows["tokens of an answer"] == 4
    assert rows["draft agrees"] == pytest.approx(0.75)
    assert rows["blind draft agrees"] == pytest.approx(0.5)
    assert rows["draft agrees on tokens that need the picture"] == pytest.approx(0.5)


def test_a_table_has_a_row_for_every_measure() -> None:
    lines = table("easy", {"target": {"where": 1.0, "tokens": 1234.0}, "draft": {"where": 0.5, "tokens": 2.0}})
    assert lines.splitlines() == [
        "| easy | target | draft |",
        "|---|---|---|",
        "| where | 1.000 | 0.500 |",
        "| tokens | 1234 | 2.000 |",
        "",
    ]
