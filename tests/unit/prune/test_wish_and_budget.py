"""What a person may wish for, and how many tokens that comes to."""

from __future__ import annotations

import pytest
import torch

from device_client.prune.budget import ENERGY, PREFILL_SECONDS, Situation, spectral_count, tokens_to_keep
from device_client.prune.registry import pruner
from device_client.prune.wish import PARTS, PRUNERS, Auto, Budget, Choice, parse_budget, parse_choice
from shared.errors import InvalidValue
from shared.shares import Count, Ratio

FEATURES = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("text", "budget"),
    [("auto", Auto()), ("64", Count(64)), ("0", Count(0)), ("0.083", Ratio(0.083)), ("8.3%", Ratio(8.3 / 100))],
)
def test_a_budget_is_auto_a_count_or_a_ratio(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "all", "-1", "1.5", "101%", "nan", "%", "six"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"^keep is .*a count, or a ratio"):
        parse_budget(text)


@pytest.mark.parametrize("name", PRUNERS)
def test_every_name_is_a_pruner(name: str) -> None:
    assert callable(pruner(parse_choice(name)).choose)


def test_details_come_behind_a_colon() -> None:
    assert parse_choice("covspec") == Choice()
    assert parse_choice("covspec:rank+activity").parts == {"rank", "activity"}
    assert parse_choice("random:7") == Choice("random", seed=7)
    assert Choice().parts == set(PARTS)


@pytest.mark.parametrize("text", ["", "best", "covspec:colour", "random:x", "random:-1", "grid:2", f"random:{2**63}"])
def test_other_choices_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"^prune is"):
        parse_choice(text)


def test_counts_and_ratios_are_taken_as_said() -> None:
    situation = Situation(200, 1e-3)
    counts: list[tuple[Budget, int]] = [(Count(64), 64), (Count(999), 200), (Count(0), 0)]
    ratios: list[tuple[Budget, int]] = [(Ratio(0.083), 17), (Ratio(0.0001), 1), (Ratio(0.0), 0)]
    for budget, tokens in counts + ratios:
        assert tokens_to_keep(budget, situation, FEATURES) == tokens


def test_auto_keeps_all_where_the_device_reads_them_in_time() -> None:
    assert tokens_to_keep(Auto(), Situation(200, PREFILL_SECONDS / 201), FEATURES) == 200
    assert tokens_to_keep(Auto(), Situation(200, 0.0), FEATURES) == 200


def test_auto_keeps_what_a_slow_device_reads_in_time_and_no_fewer_than_the_picture_has_directions() -> None:
    assert tokens_to_keep(Auto(), Situation(200, PREFILL_SECONDS / 99.5), FEATURES) == 99
    assert tokens_to_keep(Auto(), Situation(200, 60.0), FEATURES) == spectral_count(FEATURES)


def test_the_spectral_count_is_that_of_the_singular_values() -> None:
    for features in (FEATURES, FEATURES[:9], FEATURES * torch.logspace(0, -3, 16)):
        energy = torch.linalg.svdvals((features - features.mean(0)).double()).square()
        wanted = int((energy.cumsum(0) / energy.sum() < ENERGY).sum()) + 1
        assert spectral_count(features) == wanted
    assert spectral_count(torch.ones(5, 3)) == 1
