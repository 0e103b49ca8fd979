"""CoVSpec's selector: each part does its own, can be switched off, and knows no language."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from device_client.prune.covspec import SHARPNESS, judge, relevance
from device_client.prune.registry import prune, pruner
from device_client.prune.sight import Ask
from device_client.prune.wish import PARTS, Choice, parse_choice
from tests.support.sights import sight


def test_relevance_is_how_far_a_token_stands_out_for_some_word() -> None:
    seen = sight([(3, 5)])
    assert seen.question is not None
    rows, words = seen.features.double().numpy(), seen.question.double().numpy()
    words = words - words.mean(0)
    expected = np.full(15, -np.inf)
    for word in words:
        alike = np.array([row @ word / np.linalg.norm(row) / np.linalg.norm(word) for row in rows])
        expected = np.maximum(expected, (alike - alike.mean()) / alike.std(ddof=1))
    assert np.allclose(relevance(seen.features, seen.question).numpy(), expected, atol=1e-4)


def test_what_a_word_means_everywhere_alike_makes_nothing_relevant() -> None:
    """A stop word of any language: its embedding points at no place more than at others."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(20, 8, generator=generator)
    noun, stop = torch.zeros(8), torch.zeros(8)
    noun[0], stop[7] = 1.0, 1.0
    features[:, 7] = 0.0
    features[:, 0] = 0.0
    features[13, 0] = 9.0
    assert int(relevance(features, torch.stack([noun, stop, -noun])).argmax()) == 13
    assert int(relevance(features, torch.stack([noun, stop, stop, stop])).argmax()) == 13


def test_a_question_of_no_words_leaves_all_alike() -> None:
    assert relevance(torch.randn(4, 3), torch.zeros(0, 3)).tolist() == [1.0] * 4


@pytest.mark.parametrize("part", PARTS)
def test_each_part_matters(part: str) -> None:
    seen = sight([(6, 6)])
    without = Choice("covspec", parts=frozenset(PARTS) - {part})
    assert prune(pruner(without), seen, 8) != prune(pruner(Choice()), seen, 8)


def test_nobody_computes_what_a_switched_off_part_would_ask_for() -> None:
    assert pruner(Choice()).asks == {Ask.QUESTION, Ask.UPDATE}
    assert pruner(parse_choice("covspec:activity+rank")).asks == {Ask.UPDATE}
    assert pruner(parse_choice("covspec:rank")).asks == frozenset()
    bare = replace(sight([(5, 5)]), question=None, update=None)
    assert len(prune(pruner(parse_choice("covspec:rank")), bare, 6).indices) == 6


def test_a_token_like_one_kept_already_is_passed_over() -> None:
    """Two halves, each of one cell: the better one is chosen first, and what equals it is not chosen again."""
    seen = sight([(2, 4)])
    features = torch.zeros(8, 12)
    features[[0, 1, 4, 5], 0] = 1.0
    features[[2, 3, 6], 0] = 1.0
    features[7, 1] = 1.0  # the only one that says something else
    update = torch.tensor([5.0, 1.0, 4.9, 1.0, 1.0, 1.0, 1.0, 4.0])
    seen = replace(seen, features=features, update=update)
    assert prune(pruner(parse_choice("covspec:activity")), seen, 2).indices == (0, 2)
    assert prune(pruner(parse_choice("covspec:activity+rank")), seen, 2).indices == (0, 7)


def test_the_scores_tell_what_was_new_when_a_cell_had_its_turn() -> None:
    seen = sight([(5, 5)])
    kept, scores = judge(PARTS, seen, 6)
    assert len(kept.indices) == 6
    for each in (scores.relevance, scores.activity, scores.rank):
        assert each.shape == (25,)
        assert 0 <= float(each.min()) <= float(each.max()) <= 1.0 + 1e-6
    assert float(scores.rank.max()) == pytest.approx(1.0)  # in the cell that came first all was new
    assert 0 < SHARPNESS < 1
