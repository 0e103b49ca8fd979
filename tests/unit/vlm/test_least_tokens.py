"""A prompt that cannot fit is refused before it is tokenised, and none that could is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from shared.demo.pair import target_folder
from shared.errors import PromptTooLong
from shared.speculation.request import Message, Text
from shared.vlm.least_tokens import least_tokens
from tests.support.tiny_families import folder_of
from tests.support.tiny_qwen import tiny_qwen

ALPHABET = pre_tokenizers.ByteLevel.alphabet()
BYTES = {f"<0x{byte:02X}>": byte for byte in range(256)}
TRAPS = ["the dog", "  ", "\n", "\t", "▁", "▁▁▁▁", "é", "e\u0301", "각", "\u1100\u1161\u11a8", "α\u0313\u0300\u0345"]
TEXTS = st.lists(st.sampled_from(TRAPS) | st.text(max_size=6), max_size=30).map("".join)


def byte_level(normalizer: Any = None, pre_tokenizer: Any = None, strip: bool = False) -> Any:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizer or pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    corpus = ["the dog and the cat " * 20, "        \n\n\n\n", "▁▁▁▁▁▁▁▁" * 9]
    made.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=400, initial_alphabet=ALPHABET, show_progress=False)
    )
    if normalizer is not None:
        made.normalizer = normalizer
    made.add_special_tokens([AddedToken("<|end|>", special=True, lstrip=strip, rstrip=strip)])
    return PreTrainedTokenizerFast(tokenizer_object=made)


def byte_fallback(*parts: Any) -> Any:
    """As Gemma's and Llama's: blanks are written as ▁, and what is not known as its bytes."""
    vocabulary = {**BYTES, "▁": 256, "▁▁": 257, "▁▁▁▁": 258, "t": 259, "h": 260, "e": 261, "th": 262, "the": 263}
    merges = [("▁", "▁"), ("▁▁", "▁▁"), ("t", "h"), ("th", "e")]
    made = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([*parts, normalizers.Replace(" ", "▁")])
    return PreTrainedTokenizerFast(tokenizer_object=made)


def unknown_words() -> Any:
    made = Tokenizer(models.WordPiece({"[UNK]": 0, "the": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]")


def removing() -> Any:
    parts = [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    return byte_level(pre_tokenizer=pre_tokenizers.Sequence(parts))


KNOWN: dict[str, Callable[[], Any]] = {
    "bytes": byte_level,
    "composing": lambda: byte_level(normalizers.NFC()),
    "stripping": lambda: byte_level(strip=True),
    "falling back": byte_fallback,
    "falling back behind a prefix": lambda: byte_fallback(normalizers.Prepend("▁")),
    "the packaged one": lambda: AutoTokenizer.from_pretrained(target_folder()),
    "qwen3_vl": lambda: AutoTokenizer.from_pretrained(folder_of("qwen3_vl")),
    "gemma3": lambda: AutoTokenizer.from_pretrained(folder_of("gemma3")),
}
UNKNOWN: dict[str, Callable[[], Any]] = {
    "lower case": lambda: byte_level(normalizers.Lowercase()),
    "stripped": lambda: byte_level(normalizers.Sequence([normalizers.NFC(), normalizers.Strip()])),
    "compatible": lambda: byte_level(normalizers.NFKC()),
    "replaced": lambda: byte_level(normalizers.Replace("  ", " ")),
    "blanks removed": removing,
    "words": unknown_words,
    "no bytes": lambda: PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({"a": 0}, []))),
}
MADE: dict[str, Any] = {}


def made(name: str) -> Any:
    if name not in MADE:
        MADE[name] = {**KNOWN, **UNKNOWN}[name]()
    return MADE[name]


@pytest.mark.parametrize("name", [*KNOWN, *UNKNOWN])
@settings(deadline=None)  # the first makes the tokenizer
@given(text=TEXTS)
def test_no_text_has_fewer_tokens(name: str, text: str) -> None:
    tokenizer = made(name)
    for said in (text, text * 20, f"{text}<|end|>{text}"):
        assert least_tokens(tokenizer)(said) <= len(tokenizer.encode(said, add_special_tokens=False))


@pytest.mark.parametrize("name", KNOWN)
def test_a_long_text_is_known_to_be_long(name: str) -> None:
    least = least_tokens(made(name))
    assert least("the dog " * 100_000) >= 1_000
    assert least("각" * 100_000) >= 200


@pytest.mark.parametrize("name", UNKNOWN)
def test_of_a_tokenizer_that_may_drop_text_nothing_is_said(name: str) -> None:
    assert least_tokens(made(name))("the dog " * 100_000) == 0


def test_a_prompt_that_cannot_fit_is_not_tokenised(monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = tiny_qwen()
    tokenizer = vlm.tokenizer._tokenizer  # type: ignore[attr-defined]
    said = (Message("user", (Text("dog " * 250_000 + "<|im_end|>" * 1000),)),)
    monkeypatch.setattr(type(tokenizer), "__call__", lambda *_, **__: pytest.fail("tokenised"))
    with pytest.raises(PromptTooLong, match=r"prompt is \d+ tokens or more: they leave no room"):
        vlm.prepare(said, ())
