"""Fingerprints of a model's vocabulary, special tokens and chat template, and what two vocabularies share.

A vocabulary is printed in blocks of ids, so that two of one family that differ in padding or in a few added tokens
still show their common part. Pieces are compared, never sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import ModelMismatch

BLOCK = 64  # ids in a block: the resolution of a comparison
DIGEST = 4  # bytes of a block's digest: 64 ids cost 4 bytes on the wire


@dataclass(frozen=True, slots=True)
class VocabularyPrint:
    """`size` ids, printed as one digest of DIGEST bytes for every BLOCK ids (the last block may be shorter)."""

    size: int
    blocks: bytes

    @classmethod
    def of(cls, pieces: Sequence[str | None]) -> VocabularyPrint:
        """The print of a vocabulary given as id -> piece; None where an id has no piece."""
        return cls(len(pieces), b"".join(_digest(pieces[i : i + BLOCK]) for i in range(0, len(pieces), BLOCK)))

    def common(self, other: VocabularyPrint) -> int:
        """How many ids from 0 on certainly stand for the same pieces in both, to the resolution of a block."""
        if self == other:
            return self.size
        shared = 0
        shorter = min(len(self.blocks), len(other.blocks))
        while shared < shorter and self.blocks[shared : shared + DIGEST] == other.blocks[shared : shared + DIGEST]:
            shared += DIGEST
        return min(shared // DIGEST * BLOCK, self.size, other.size)


def _digest(block: Sequence[str | None]) -> bytes:
    """The head of SHA-256 over the pieces, each after its length: whatever is in them, two lists are two texts."""
    text = "".join("-" if piece is None else f"{len(piece)}:{piece}" for piece in block)
    return hashlib.sha256(text.encode()).digest()[:DIGEST]


def fit(draft: VocabularyPrint, target: VocabularyPrint) -> int:
    """How many ids, from 0 on, a draft may propose to a target. Raises ModelMismatch if that is less than half."""
    common = draft.common(target)
    if 2 * common < draft.size:
        raise ModelMismatch(
            f"the vocabularies of draft and target do not fit each other: of the draft's {draft.size} ids only the "
            f"first {common} stand for the same pieces in the target's {target.size}; at least half must"
        )
    return common


@dataclass(frozen=True, slots=True)
class ModelPrints:
    """The prints of a model: its vocabulary, and SHA-256 of its special tokens and of its chat template."""

    vocabulary: VocabularyPrint
    special_tokens: bytes
    chat_template: bytes
