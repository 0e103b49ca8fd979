"""Log-probabilities of what the target said: of its plain logits, and kept for a device that comes back."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.speculation.coupled import log_probabilities
from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.messages import Commit

QUICK = settings(derandomize=True, deadline=None, max_examples=100)
told = st.lists(st.floats(-50, 0), min_size=1, max_size=3)


@QUICK
@given(st.lists(st.lists(st.floats(-80, 80, width=32), min_size=4, max_size=4), min_size=1, max_size=3), st.data())
def test_they_are_the_log_softmax_of_the_plain_rows(rows: list[list[float]], data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=len(rows)))
    table = torch.tensor(rows, dtype=torch.float64)
    expected = [torch.log_softmax(table[i], -1)[token].item() for i, token in enumerate(ids)]
    said = log_probabilities(table, ids)
    assert torch.allclose(torch.tensor(said), torch.tensor(expected), atol=1e-5)
    assert max(said) <= 0


@QUICK
@given(st.lists(told, max_size=5), st.integers(0, 3), st.data())
def test_who_comes_back_gets_those_of_the_ids_it_lacks(
    steps: list[list[float]], reopened: int, data: st.DataObject
) -> None:
    conversation = EdgeConversation(Rules(4, 64, rows=10), [1] * reopened)
    for step in steps:
        ids = [2] * len(step)
        commit = conversation.commit(conversation.pending(), ids, log_probabilities=step)
        assert commit.log_probabilities == tuple(step)
    flat = [value for step in steps for value in step]
    seen = reopened + data.draw(st.integers(0, len(flat)))
    again = conversation.resume(seen)
    assert again.log_probabilities == tuple(flat[seen - reopened :])
    assert len(again.ids) == len(again.log_probabilities)


def test_commits_read_as_one_have_those_of_both() -> None:
    one, other = Commit(0, (1,), (0,), log_probabilities=(-1.0,)), Commit(1, (2, 3), (1,), log_probabilities=(-2.0, -3))
    assert one.merged(other).log_probabilities == (-1.0, -2.0, -3.0)
