"""How few tokens a text can become, known from its length: what cannot fit is refused before it is tokenised.

A text of n bytes has at least n / (bytes of the longest piece) tokens, if the tokenizer drops nothing of it, merges
nothing that it does not know, and changes no text but as is known here. Of any other tokenizer nothing is said.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from typing import Any, TypeAlias

LeastTokens: TypeAlias = Callable[[str], int]
_COMPOSED = 3  # NFC makes at most so many bytes one: three jamo of three bytes become a syllable of three
_KEEPS = {"ByteLevel", "Metaspace", "Digits", "Punctuation", "Split"}  # pre-tokenizers, unless told to remove


def least_tokens(tokenizer: Any) -> LeastTokens:
    """What tells of a text how many tokens it has at least with a Hugging Face `tokenizer`; 0: nothing is known."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    pieces = tokenizer.get_vocab()
    composes = None if backend is None else _composes(_told(backend.normalizer))
    if backend is None or composes is None or not _keeps(_told(backend.pre_tokenizer)) or not _whole(backend, pieces):
        return lambda _: 0
    longest = max(len(piece.encode("utf-8", "surrogatepass")) for piece in pieces)
    strips = any(token.lstrip or token.rstrip for token in tokenizer.added_tokens_decoder.values())

    def least(text: str) -> int:
        counted = "".join(text.split()) if strips else text  # such a token swallows the blanks beside it
        size = len(counted.encode("utf-8", "surrogatepass"))
        return math.ceil(size / (longest * (1 if counted.isascii() or not composes else _COMPOSED)))

    return least


def _told(part: Any) -> dict[str, Any]:
    """A part of a tokenizer as its file would have it; {} for none."""
    return {} if part is None else dict(json.loads(part.__getstate__()))


def _composes(normalizer: dict[str, Any]) -> bool | None:
    """Whether it makes several characters one; None if it may do what is not known here."""
    match normalizer:
        case {"type": "Sequence", "normalizers": list(parts)}:
            each = [_composes(part) for part in parts]
            return None if None in each else any(each)
        case {"type": "NFC"}:
            return True
        case {"type": "Prepend"} | {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}:
            return False
        case _:
            return False if not normalizer else None


def _keeps(pre_tokenizer: dict[str, Any]) -> bool:
    """Whether it drops nothing of a text."""
    match pre_tokenizer:
        case {"type": "Sequence", "pretokenizers": list(parts)}:
            return all(_keeps(part) for part in parts)
        case {"behavior": "Removed"}:
            return False
        case {"type": str(kind)}:
            return kind in _KEEPS
        case _:
            return True


def _whole(backend: Any, pieces: Collection[str]) -> bool:
    """Whether there is a token for each byte, so that nothing is unknown."""
    from tokenizers.pre_tokenizers import ByteLevel

    model = backend.model
    if type(model).__name__ != "BPE":
        return False
    if getattr(model, "byte_fallback", False):
        return all(f"<0x{byte:02X}>" in pieces for byte in range(256))
    levels = json.dumps([_told(backend.pre_tokenizer), _told(backend.normalizer)])
    return '"ByteLevel"' in levels and all(letter in pieces for letter in ByteLevel.alphabet())
