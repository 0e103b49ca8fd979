"""The laws of pruning: within the budget, in order, and to keep all is the identity."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from device_client.prune.registry import prune, pruner
from device_client.prune.wish import PARTS, PRUNERS, Choice, parse_choice
from shared.vlm.places import Places, Tile, tiled
from tests.support.sights import sight

CHOICES = [parse_choice(name) for name in PRUNERS]
CHOICES += [Choice("covspec", parts=frozenset(PARTS) - {part}) for part in PARTS] + [parse_choice("covspec:rank")]
GRIDS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3)


@settings(deadline=None)  # a busy machine is no error
@given(GRIDS, st.integers(0, 99), st.data())
def test_kept_tokens_are_in_order_different_and_within_the_budget(
    grids: list[tuple[int, int]], seed: int, data: st.DataObject
) -> None:
    seen = sight(grids, seed)
    budget = data.draw(st.integers(0, seen.count + 2))
    for choice in CHOICES:
        kept = prune(pruner(choice), seen, budget)
        assert list(kept.indices) == sorted(set(kept.indices)), choice
        assert all(0 <= index < seen.count for index in kept.indices), choice
        if choice.name not in ("none", "text-only", "pool"):
            assert len(kept.indices) == min(budget, seen.count), choice
        elif choice.name != "none":
            assert len(kept.indices) <= budget, choice
        assert prune(pruner(choice), seen, budget).indices == kept.indices, choice  # nothing is left to chance


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_keeping_all_is_the_identity(choice: Choice) -> None:
    seen = sight([(4, 5), (2, 3)])
    kept = prune(pruner(choice), seen, seen.count)
    assert kept.indices == tuple(range(seen.count))
    assert kept.mixing is None


@pytest.mark.parametrize("name", ["pool", "visionzip"])
def test_what_is_mixed_stays_a_mean(name: str) -> None:
    seen = sight([(6, 5), (4, 4)])
    kept = prune(pruner(parse_choice(name)), seen, 12)
    assert kept.mixing is not None
    assert kept.mixing.shape == (len(kept.indices), seen.count)
    assert (kept.mixing >= 0).all()
    assert torch.allclose(kept.mixing.sum(-1), torch.ones(len(kept.indices)))


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_pictures_without_colour_or_detail_are_pruned_too(choice: Choice) -> None:
    """Where all tokens are alike, nothing divides by nothing."""
    seen = sight([(5, 4)])
    flat = replace(
        seen,
        features=torch.zeros_like(seen.features),
        update=torch.zeros(seen.count),
        grey=(torch.zeros(80, 64),),
        attention=torch.zeros(seen.count),
        question=torch.zeros(0, 12),
    )
    kept = prune(pruner(choice), flat, 7)
    assert list(kept.indices) == sorted(set(kept.indices))
    if choice.name not in ("none", "text-only"):
        assert len(kept.indices) in ({7} if choice.name != "pool" else range(1, 8))


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_tiles_shared_places_and_row_ends_are_pruned_too(choice: Choice) -> None:
    whole = Tile(3, 3)
    places = Places.of([(whole, *tiled(2, 2, 3)), (Tile(2, 4, row_ends=True),), (Tile(1, 1), Tile(1, 1))])
    seen = sight([(6, 6), (2, 4), (1, 1)], places=places)
    for budget in range(1, seen.count):
        kept = prune(pruner(choice), seen, budget)
        assert list(kept.indices) == sorted(set(kept.indices))
        if choice.name not in ("none", "text-only", "pool"):
            assert len(kept.indices) == budget
