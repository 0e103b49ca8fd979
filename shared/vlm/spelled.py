"""Texts that spell special tokens, hidden from a chat template and from the tokenizer, and found again behind both.

Guarantees: whatever a text holds, what is found again is just what was hidden. The time is that of reading the text a
few times, however many special tokens there are and however often it spells them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

_FIRST = 0xF0000  # of Unicode plane 15, for private use: no template looks for these
_SIZE = 0xFFFE - 1  # all of the plane's characters but the last, which begins a veil and is nowhere else in one
_LAST = chr(_FIRST + _SIZE)

_Tree: TypeAlias = dict[str, "_Tree"]


class Spelling:
    """Knows `specials`, the texts of a tokenizer's special tokens."""

    def __init__(self, specials: Collection[str]) -> None:
        self._known = re.compile(_any_of(specials)) if specials else None

    def hide(self, texts: Sequence[str]) -> Veils:
        """Veils for the special tokens that `texts` spell, which mostly are none. Where two fit, the longer counts."""
        known = self._known
        found = {} if known is None else dict.fromkeys(spelled for text in texts for spelled in known.findall(text))
        if known is None or not found:
            return Veils({}, None, None)
        # A text that held its own hash could not be found in any time: what a veil begins with is in none of them.
        digest = hashlib.blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        begin = _LAST + "".join(
            chr(_FIRST + int.from_bytes(digest[at : at + 2]) % _SIZE) for at in range(0, len(digest), 2)
        )
        veils = {spelled: begin + chr(_FIRST + number) for number, spelled in enumerate(found)}
        return Veils(veils, known, re.compile(f"({begin}[{chr(_FIRST)}-{_LAST}])"))


@dataclass(frozen=True)
class Veils:
    """What stands for each special token that some texts spell."""

    _veils: dict[str, str]
    _known: re.Pattern[str] | None
    _again: re.Pattern[str] | None

    def hidden(self, text: str) -> str:
        """`text` with each special token veiled."""
        return text if self._known is None else self._known.sub(lambda found: self._veils[found[0]], text)

    def pieces(self, rendered: str) -> list[tuple[str, bool]]:
        """`rendered` in pieces, none of them empty; True: a special token that was hidden, as it was spelled."""
        if self._again is None:
            return [(rendered, False)] if rendered else []
        specials = {veil: special for special, veil in self._veils.items()}
        parts = self._again.split(rendered)
        return [(specials.get(part, part), at % 2 == 1) for at, part in enumerate(parts) if part]


def _any_of(words: Collection[str]) -> str:
    """A pattern of any of `words`, the longest that fits, which looks once at what several begin with."""
    tree: _Tree = {}
    for word in filter(None, words):
        node = tree
        for character in word:
            node = node.setdefault(character, {})
        node[""] = {}
    return _pattern(tree)


def _pattern(node: _Tree) -> str:
    branches = [re.escape(character) + _pattern(below) for character, below in node.items() if character]
    if not branches:
        return ""
    return f"(?:{'|'.join(branches)})" + ("?" if "" in node else "")
