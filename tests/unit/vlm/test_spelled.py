"""What spells a special token in a text is hidden from template and tokenizer, and found again."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vlm.spelled import Spelling

SPECIALS = ["<|end|>", "<|end", "<image>", "<i", "7", "\U000f0001", "<unused1>", "<unused12>", "a+b", "[x]"]
SPELLING = Spelling(SPECIALS)
PRIVATE = "".join(map(chr, range(0xF0000, 0xFFFFE)))
CHARACTERS = st.characters() | st.sampled_from("<|end>imag\U000f0000\U000ffffd\U000f0001")
TEXTS = st.lists(st.lists(st.sampled_from(SPECIALS) | st.text(CHARACTERS, max_size=8)).map("".join), max_size=4)


@given(TEXTS)
def test_what_was_hidden_is_found_again_and_nothing_else(texts: list[str]) -> None:
    veils = SPELLING.hide(texts)
    for text in texts:
        pieces = veils.pieces(veils.hidden(text))
        assert "".join(piece for piece, _ in pieces) == text
        assert all(piece for piece, _ in pieces)
        assert all(piece in SPECIALS for piece, special in pieces if special)
        if text.isascii():
            assert not any(known in piece for piece, special in pieces if not special for known in SPECIALS)
    joined = veils.pieces("".join(veils.hidden(text) for text in texts))  # as a template may write them
    assert "".join(piece for piece, _ in joined) == "".join(texts)


def test_the_longer_of_two_that_fit_counts() -> None:
    veils = SPELLING.hide(["<|end|><|end<unused12><unused1>"])
    assert veils.pieces(veils.hidden("<|end|><|end<unused12><unused1>")) == [
        ("<|end|>", True),
        ("<|end", True),
        ("<unused12>", True),
        ("<unused1>", True),
    ]


def test_a_text_may_hold_all_private_characters() -> None:
    text = PRIVATE * 3 + "<|end|>" + PRIVATE
    pieces = Spelling(["<|end|>"]).hide([text])
    assert pieces.pieces(pieces.hidden(text)) == [(PRIVATE * 3, False), ("<|end|>", True), (PRIVATE, False)]


@pytest.mark.parametrize("specials", [["<|end|>"], [f"<unused{number}>" for number in range(6000)]], ids=len)
@pytest.mark.parametrize("text", ["<|end|>" * 150_000, "<" * 2**20, "<unused" * 150_000, PRIVATE * 4 + "<|end|>"])
def test_a_large_text_takes_the_time_of_reading_it(text: str, specials: list[str]) -> None:
    spelling = Spelling(specials)
    begin = time.process_time()
    veils = spelling.hide([text])
    veils.pieces(veils.hidden(text))
    assert time.process_time() - begin < 2.0  # .2 s; a look for each special token or each character is minutes
