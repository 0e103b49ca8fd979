"""Makes the pair's byte-level BPE tokenizer: every word of the world is one token, any other text falls to bytes.

Qwen's splitting rule and special tokens, so a stock `AutoTokenizer` reads the folder.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from shared.demo.words import COLORS, NOUNS, NUMBERS
from shared.demo.world import KINDS, ask_kind, scene

SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
LATER_WORDS = (" In", "In", " column", " board", "Read", " through")  # ids after all others, in this order
LATER_KINDS = ("board",)  # their words are above
CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja")
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def corpus(scenes: int = 400) -> list[str]:
    """Every piece of text that should become one token, with and without its leading space."""
    pieces = {form for word in (*NOUNS, *COLORS, *NUMBERS) for form in (word, f" {word}")}
    pieces |= {"user", "assistant", "system"}
    for seed in range(scenes):
        for kind in (each for each in KINDS if each not in LATER_KINDS):
            question = ask_kind(scene(seed), kind, random.Random(seed))
            pieces |= set(re.findall(r" ?[A-Za-z]+", f"{question.prompt}\n{question.answer}"))
    return sorted(pieces)


def with_later_words(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with whole tokens for the later words; every id that it had keeps its meaning."""
    pieces = [tokenizer.encode(word, add_special_tokens=False).tokens for word in LATER_WORDS]
    whole = json.loads(tokenizer.to_str())
    vocabulary, merges = whole["model"]["vocab"], whole["model"]["merges"]
    vocabulary |= {added["content"]: added["id"] for added in whole["added_tokens"]}
    for parts in pieces:
        for count in range(1, len(parts)):
            joined = "".join(parts[: count + 1])
            if joined not in vocabulary:
                vocabulary[joined] = len(vocabulary)
                merges.append(["".join(parts[:count]), parts[count]])
    return Tokenizer.from_str(json.dumps(whole))


def make_tokenizer() -> PreTrainedTokenizerFast:
    """The same tokenizer at every call."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=4096, initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    return PreTrainedTokenizerFast(
        tokenizer_object=with_later_words(tokenizer),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIALS[1:]),
        chat_template=CHAT_TEMPLATE.read_text(encoding="utf-8"),
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )
