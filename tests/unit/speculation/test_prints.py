"""What two vocabularies share, told from their prints: never more than is so, and at most a block less."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ModelMismatch
from shared.speculation.prints import BLOCK, DIGEST, ModelPrints, VocabularyPrint, differences, fit

QUICK = settings(derandomize=True, deadline=None, max_examples=150)
Pieces = list[str | None]

printed = VocabularyPrint.of


def pieces(count: int) -> Pieces:
    return [f"piece {i}" for i in range(count)]


def agreement(left: Pieces, right: Pieces) -> int:
    same = [a == b for a, b in zip(left, right, strict=False)]
    return same.index(False) if False in same else len(same)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK + 7])
def test_a_vocabulary_shares_all_of_itself(size: int) -> None:
    assert printed(pieces(size)).common(printed(pieces(size))) == size
    assert len(printed(pieces(size)).blocks) == -(-size // BLOCK) * DIGEST


@pytest.mark.parametrize("padding", [1, BLOCK, 3 * BLOCK])
def test_padding_costs_at_most_the_block_that_it_begins_in(padding: int) -> None:
    size = 5 * BLOCK + 10
    plain, padded = pieces(size), pieces(size) + [None] * padding
    assert printed(plain).common(printed(padded)) == 5 * BLOCK
    assert printed(padded).common(printed(plain)) == 5 * BLOCK
    even = pieces(5 * BLOCK)
    assert printed(even).common(printed(even + [None] * padding)) == 5 * BLOCK


@pytest.mark.parametrize("changed", [0, 63, 64, 130, 319])
def test_what_comes_after_a_piece_that_differs_is_not_shared(changed: int) -> None:
    other = pieces(5 * BLOCK)
    other[changed] = "another"
    assert printed(other).common(printed(pieces(5 * BLOCK))) == changed // BLOCK * BLOCK


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["a", None], ["a", ""]),
        (["a", "b"], ["ab", ""]),
        (["a", "b"], ["b", "a"]),
        (["a\0=b", "c"], ["a", "b\0=c"]),  # pieces may hold any character, also one that separates them
        (["a\0=b"], ["a", "b"]),
        (["1:a", "b"], ["1", "ab"]),
        (["a1:b", "c"], ["a", "b1:c"]),
        (["-", None], [None, "-"]),
        (["-"], [None]),
    ],
)
def test_pieces_that_differ_are_not_mistaken_for_each_other(left: Pieces, right: Pieces) -> None:
    assert printed(left).common(printed(right)) == 0


def test_nothing_is_shared_with_nothing() -> None:
    assert printed([]).common(printed(pieces(3))) == 0
    assert fit(printed([]), printed(pieces(3))) == 0


texts = st.none() | st.text(st.sampled_from("ab=:-\0é1"), max_size=3)


@QUICK
@given(st.integers(0, 3 * BLOCK), st.lists(texts, max_size=BLOCK + 5), st.lists(texts, max_size=BLOCK + 5))
def test_no_more_is_shared_than_is_so_and_at_most_a_block_less(same: int, left: Pieces, right: Pieces) -> None:
    ours, theirs = pieces(same) + left, pieces(same) + right
    truth, told = agreement(ours, theirs), printed(ours).common(printed(theirs))
    assert truth - BLOCK < told <= truth
    assert told == printed(theirs).common(printed(ours))


def test_a_draft_may_propose_what_it_shares() -> None:
    target = pieces(400)
    draft = target[: 3 * BLOCK] + ["added"] * 30
    assert fit(printed(draft), printed(target)) == 3 * BLOCK


def test_half_of_the_drafts_ids_is_enough_and_less_is_not() -> None:
    target = pieces(1000)
    assert fit(printed(target[:BLOCK] + ["x"] * BLOCK), printed(target)) == BLOCK
    with pytest.raises(ModelMismatch) as refused:
        fit(printed(target[:BLOCK] + ["x"] * (BLOCK + 1)), printed(target))
    assert str(refused.value) == (
        "the vocabularies of draft and target do not fit each other: of the draft's 129 ids only the first 64 stand "
        "for the same pieces in the target's 1000; at least half must"
    )


def test_it_is_the_drafts_ids_that_count() -> None:
    """A small draft of a large target fits; a large draft of a small target may not."""
    small, large = pieces(2 * BLOCK), pieces(9 * BLOCK)
    assert fit(printed(small), printed(large)) == 2 * BLOCK
    with pytest.raises(ModelMismatch):
        fit(printed(large), printed(small))


def model(size: int = 130, **changes: bytes) -> ModelPrints:
    """The prints of a model, but for `changes`."""
    names = ("special_tokens", "chat_template", "image_processor")
    return ModelPrints(printed(pieces(size)), **{name: changes.get(name, name.encode()) for name in names})


def test_two_that_are_the_same_have_nothing_to_say() -> None:
    assert differences(model(), model()) == ()


@pytest.mark.parametrize(
    ("draft", "sentence"),
    [
        (model(special_tokens=b"other"), "special tokens differ"),
        (model(chat_template=b"other"), "chat templates differ"),
        (model(image_processor=b"other"), "image processors differ"),
        (model(140), "the first 128 ids: it knows 140, the target 130"),
    ],
)
def test_each_difference_is_one_sentence(draft: ModelPrints, sentence: str) -> None:
    (said,) = differences(draft, model())
    assert sentence in said
    assert len(differences(draft, model(image_processor=b"third"))) == 1 + ("image" not in sentence)
