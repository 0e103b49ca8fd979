"""The 256 pieces of the toy model: specials, single bytes of longer characters, endings, short words.

A character of several bytes is several tokens, so that whoever shows text as it comes must wait for the rest of it.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from types import MappingProxyType

_SPECIALS = ("<pad>", "<image>", "<end>", "<system>", "<user>", "<assistant>")
PAD, IMAGE, END, _SYSTEM, _USER, ASSISTANT = range(len(_SPECIALS))
ROLE_IDS = MappingProxyType({"system": _SYSTEM, "user": _USER, "assistant": ASSISTANT})

_CHARACTERS = ("é", "→", "😀")  # 2, 3 and 4 bytes, all of them different
_ENDINGS = (".", ",", "!", "?", ":", "\n", "s", "ing", "ed", "ly")
_SIZE = 256


def _words() -> list[str]:
    """Words such as " lomu", each with the space before it, in a scattered order so that neighbours differ."""
    syllables = [onset + vowel for onset in "bdfgklmnprstvz" for vowel in "aeiou"]
    words = [" " + first + second for first, second in itertools.product(syllables, syllables[::7])]
    return sorted(words, key=lambda word: hashlib.sha256(word.encode()).digest())


_BYTES = tuple(bytes([byte]) for character in _CHARACTERS for byte in character.encode())
_FIXED = (*(text.encode() for text in _SPECIALS), *_BYTES, *(text.encode() for text in _ENDINGS))
PIECES = (*_FIXED, *(word.encode() for word in _words()[: _SIZE - len(_FIXED)]))
_FIRST_WORD = len(_FIXED)


def _continuations() -> dict[int, int]:
    """For each byte of a character but its last: its id, and the id of the byte that must follow."""
    follows = {}
    first = len(_SPECIALS)
    for character in _CHARACTERS:
        last = first + len(character.encode()) - 1
        follows.update({byte: byte + 1 for byte in range(first, last)})
        first = last + 1
    return follows


CONTINUES = MappingProxyType(_continuations())
# Ids that no text has of its own accord: specials other than the end, and bytes inside a character.
NEVER_FIRST = (*(i for i in range(len(_SPECIALS)) if i != END), *CONTINUES.values())


class ToyTokenizer:
    """Text and ids. A word that the vocabulary lacks becomes the word of its hash: enough for a prompt."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._ids = {piece: i for i, piece in enumerate(pieces) if i >= _FIRST_WORD}

    def encode(self, text: str) -> list[int]:
        """One id for each word of `text`, never a special one."""
        ids = []
        for word in text.split():
            digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest())
            other = _FIRST_WORD + digest % (len(self._pieces) - _FIRST_WORD)
            ids.append(self._ids.get(b" " + word.encode(), other))
        return ids

    def text_ids(self, text: str) -> list[int]:
        """The same."""
        return self.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special tokens left out; U+FFFD where a character is not complete."""
        known = (self._pieces[i] for i in ids if len(_SPECIALS) <= i < len(self._pieces))
        return b"".join(known).decode("utf-8", errors="replace")
