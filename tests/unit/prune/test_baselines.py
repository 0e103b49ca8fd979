"""Every baseline against a small independent computation of its formula."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, conv2d, pad

from device_client.prune.cells import cut, laplacian
from device_client.prune.diverse import pivots
from device_client.prune.registry import prune, pruner
from device_client.prune.sight import Kept, Sight, shares
from device_client.prune.wish import parse_choice
from tests.support.sights import sight

Array = NDArray[np.float64]


def kept(name: str, seen: Sight, budget: int) -> Kept:
    return prune(pruner(parse_choice(name)), seen, budget)


def cosine(one: Array, other: Array) -> float:
    return float(one @ other / math.sqrt(float(one @ one) * float(other @ other)))


def test_none_and_text_only() -> None:
    seen = sight([(3, 4)])
    assert kept("none", seen, 5).indices == tuple(range(12))
    assert kept("text-only", seen, 5).indices == ()


def test_random_is_a_function_of_its_seed_and_reaches_every_token() -> None:
    seen = sight([(3, 4)])
    assert kept("random:1", seen, 5) == kept("random:1", seen, 5)
    drawn = {kept(f"random:{seed}", seen, 5).indices for seed in range(40)}
    assert len(drawn) > 30
    assert {index for each in drawn for index in each} == set(range(12))


def test_grid_takes_the_middle_of_each_part() -> None:
    assert kept("grid", sight([(6, 6)]), 4).indices == (7, 10, 25, 28)  # rows and columns 1 and 4
    assert kept("grid", sight([(3, 9)]), 3).indices == (10, 13, 16)
    two = sight([(6, 6), (3, 9)])
    assert kept("grid", two, 7).indices == (7, 10, 25, 28, 36 + 10, 36 + 13, 36 + 16)


def test_pooling_is_torch_s_average_pooling() -> None:
    seen = sight([(4, 6)], width=5)
    pooled = kept("pool", seen, 6)
    assert pooled.mixing is not None
    grid = seen.features.view(4, 6, 5).permute(2, 0, 1)[None]
    expected = avg_pool2d(grid, 2)[0].permute(1, 2, 0).reshape(6, 5)
    assert torch.allclose(pooled.mixing @ seen.features, expected, atol=1e-6)
    assert pooled.indices == (0, 2, 4, 12, 14, 16)  # of four as near to the middle the first


def test_pooling_of_odd_sides_leaves_smaller_cells_at_the_ends() -> None:
    seen = sight([(3, 3)], width=2)
    pooled = kept("pool", seen, 4)
    assert pooled.mixing is not None
    assert [int((row > 0).sum()) for row in pooled.mixing] == [4, 2, 2, 1]


@pytest.mark.parametrize("name", ["divprune", "divprune-centred"])
@pytest.mark.parametrize("seed", range(3))
def test_divprune_is_greedy_max_min_distance(name: str, seed: int) -> None:
    seen = sight([(4, 5)], seed)
    rows = seen.features.double().numpy()
    if name.endswith("centred"):
        rows = rows - rows.mean(0)
    far = {pair: 1 - cosine(rows[pair[0]], rows[pair[1]]) for pair in combinations(range(20), 2)}

    def distance(one: int, other: int) -> float:
        return far[min(one, other), max(one, other)]

    taken = [max(range(20), key=lambda i: min(distance(i, j) for j in range(20) if j != i))]
    while len(taken) < 8:
        rest = [i for i in range(20) if i not in taken]
        taken.append(max(rest, key=lambda i: min(distance(i, j) for j in taken)))
    assert kept(name, seen, 8).indices == tuple(sorted(taken))


@pytest.mark.parametrize("seed", range(3))
def test_pivots_are_the_rows_farthest_from_the_span_of_those_taken(seed: int) -> None:
    rows = sight([(4, 5)], seed).features
    taken: list[int] = []
    for _ in range(9):
        basis = np.linalg.qr(rows[taken].double().numpy().T)[0] if taken else np.zeros((12, 0))
        left = rows.double().numpy() - rows.double().numpy() @ basis @ basis.T
        taken.append(int((left**2).sum(-1).argmax()))
    assert pivots(rows, 9).tolist() == taken


def test_pivots_begin_anew_where_nothing_is_left_to_explain() -> None:
    rows = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    assert pivots(rows, 4).tolist() == [0, 1, 2, 3]
    assert sorted(pivots(rows, 5).tolist()) == [0, 1, 2, 3, 4]


def test_visionzip_keeps_the_most_looked_at_and_means_of_the_others() -> None:
    seen = sight([(4, 8)])
    assert seen.gaze is not None
    zipped = kept("visionzip", seen, 13)  # 64 : 10 of 13 are 2 contextual
    looked, keys = seen.gaze.received.tolist(), seen.gaze.keys.double().numpy()
    dominant = sorted(range(32), key=lambda i: -looked[i])[:11]
    rest = [i for i in range(32) if i not in dominant]
    targets = [rest[0], rest[10]]  # every 21 // 2-th
    expected = torch.eye(32)
    for target in targets:
        joined = [
            i for i in rest if i not in targets and max(targets, key=lambda t: cosine(keys[i], keys[t])) == target
        ]
        expected[target] = 0
        expected[target, joined] = 0.5 / len(joined)
        expected[target, target] = 0.5
    assert zipped.indices == tuple(sorted([*dominant, *targets]))
    assert zipped.mixing is not None
    assert torch.allclose(zipped.mixing, expected[list(zipped.indices)])


def test_the_laplacian_is_a_convolution_with_four_neighbours() -> None:
    grey = sight([(1, 2)]).grey
    assert grey is not None
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    expected = conv2d(pad(grey[0][None, None], (1, 1, 1, 1), mode="replicate"), kernel)[0, 0]
    assert torch.allclose(laplacian(grey[0]), expected, atol=1e-3)


def test_cells_are_halved_largest_first_across_their_longer_side() -> None:
    seen = sight([(4, 6)])
    halves = cut(seen.boxes, 2, lambda region: 0.0)
    assert [len(cell) for cell in halves] == [12, 12]
    assert halves[0] == [token for token in range(24) if token % 6 < 3]
    thirds = cut(seen.boxes, 3, lambda region: 0.0)
    assert [len(cell) for cell in thirds] == [6, 6, 12]
    assert sorted(token for cell in thirds for token in cell) == list(range(24))


def test_erc_gives_detailed_regions_more_cells_and_each_keeps_its_most_active() -> None:
    seen = sight([(4, 4)])
    grey = torch.zeros(64, 64)
    grey[:32, :32] = seen.grey[0][:32, :32] if seen.grey else 0.0  # detail in one corner alone
    seen = Sight(seen.features, seen.pictures, seen.boxes, update=seen.update, grey=(grey,))
    assert seen.update is not None
    activity = seen.update.view(4, 4)
    chosen = kept("erc", seen, 8).indices  # regions of 2 x 2; one each, and the other four where the detail is: full
    assert {0, 1, 4, 5} <= set(chosen)
    others = [activity[:2, 2:], activity[2:, :2], activity[2:, 2:]]
    best = [float(part.max()) for part in others]
    assert all(any(abs(float(seen.update[i]) - value) < 1e-9 for i in chosen) for value in best)
    assert len(chosen) == 8


def test_shares_are_largest_remainders_within_room() -> None:
    assert shares([1.0, 2.0, 3.0], [10, 10, 10], 12) == [2, 4, 6]
    assert shares([1.0, 1.0, 1.0], [10, 10, 10], 4) == [2, 1, 1]
    assert shares([9.0, 1.0], [2, 10], 6) == [2, 4]
    assert shares([0.0, 0.0], [3, 3], 4) == [2, 2]
    assert shares([1.0], [3], 9) == [3]


def test_the_verifier_takes_two_fifths_of_the_attention_and_spreads_the_rest() -> None:
    seen = sight([(1, 10)])
    attention = torch.tensor([1.0, 9.0, 1.0, 1.0, 7.0, 1.0, 1.0, 1.0, 1.0, 2.0])  # 25; 9 + 7 are beyond 10
    seen = Sight(seen.features, seen.pictures, seen.boxes, attention=attention)
    assert kept("verifier", seen, 5).indices == (0, 1, 4, 6, 9)  # of 0 2 3 5 6 7 8 9 the first, the middle, the last
    assert kept("verifier", seen, 1).indices == (1,)
