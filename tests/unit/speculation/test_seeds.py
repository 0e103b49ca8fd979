"""Seeds of choices and turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.speculation.request import MAX_SEED
from shared.speculation.seeds import derived_seed

seeds = st.integers(0, MAX_SEED)
small = st.integers(0, 1000)


@given(seeds)
def test_the_first_answer_has_the_seed_itself(seed: int) -> None:
    assert derived_seed(seed, 0, 0) == seed


@given(seeds, small, small)
def test_every_seed_is_a_key_of_the_noise(seed: int, choice: int, turn: int) -> None:
    assert 0 <= derived_seed(seed, choice, turn) <= MAX_SEED


@pytest.mark.parametrize("seed", [0, 1, 7, MAX_SEED])
def test_no_two_answers_of_one_seed_share_theirs(seed: int) -> None:
    assert len({derived_seed(seed, choice, turn) for choice in range(20) for turn in range(20)}) == 400


def test_the_derivation_stays_what_it_is() -> None:
    """Who notes a seed gets the same text from a later version."""
    assert derived_seed(7, 1, 0) == int.from_bytes(bytes.fromhex("c880e35928e405b2"), "little")
