"""Fingerprints of a model's vocabulary, special tokens, chat template and image processor, and what two models share.

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
FINGERPRINT = 16  # bytes of a model's fingerprint
REFERENCE = 16  # bytes of a whole vocabulary's digest


@dataclass(frozen=True, slots=True)
class CommonIds:
    """Ids that stand for the same pieces in two vocabularies: those in `ranges`, in order and apart."""

    ranges: tuple[range, ...] = ()

    @classmethod
    def below(cls, end: int) -> CommonIds:
        """All ids below `end`."""
        return cls((range(end),) if end else ())

    def __len__(self) -> int:
        return sum(len(each) for each in self.ranges)

    def __contains__(self, token: int) -> bool:
        return any(token in each for each in self.ranges)

    @property
    def end(self) -> int:
        """All of them are below this."""
        return self.ranges[-1].stop if self.ranges else 0

    def cut(self, rows: int) -> CommonIds:
        """Those below `rows`."""
        return CommonIds(tuple(range(e.start, min(e.stop, rows)) for e in self.ranges if e.start < rows))


@dataclass(frozen=True, slots=True)
class VocabularyReference:
    """A vocabulary of `size` ids by the digest of its print."""

    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class VocabularyPrint:
    """`size` ids, printed as one digest of DIGEST bytes for every BLOCK ids (the last block may be shorter)."""

    size: int
    blocks: bytes

    @classmethod
    def of(cls, pieces: Sequence[str | None]) -> VocabularyPrint:
        """The print of a vocabulary given as id -> piece; None where an id has no piece."""
        return cls(len(pieces), b"".join(_digest(pieces[i : i + BLOCK]) for i in range(0, len(pieces), BLOCK)))

    @property
    def reference(self) -> VocabularyReference:
        """By what others know it again."""
        whole = self.size.to_bytes(4, "little") + self.blocks
        return VocabularyReference(self.size, hashlib.sha256(whole).digest()[:REFERENCE])

    def common(self, other: VocabularyPrint) -> CommonIds:
        """The ids that certainly stand for the same pieces in both, to the resolution of a block.

        Vocabularies of one family differ in padding, in added tokens, or in a single token early on.
        """
        ranges: list[range] = []
        for start in range(0, min(self.size, other.size), BLOCK):
            at = slice(start // BLOCK * DIGEST, (start // BLOCK + 1) * DIGEST)
            if self.blocks[at] == other.blocks[at]:
                first = ranges.pop().start if ranges and ranges[-1].stop == start else start
                ranges.append(range(first, min(start + BLOCK, self.size, other.size)))
        return CommonIds(tuple(ranges))


def _digest(block: Sequence[str | None]) -> bytes:
    """The head of SHA-256 over the pieces, each after its length: whatever is in them, two lists are two texts."""
    text = "".join("-" if piece is None else f"{len(piece)}:{piece}" for piece in block)
    return hashlib.sha256(text.encode()).digest()[:DIGEST]


def fit(draft: VocabularyPrint, target: VocabularyPrint) -> CommonIds:
    """The ids that a draft may propose to a target. Raises ModelMismatch if those are less than half of its own."""
    common = draft.common(target)
    if 2 * len(common) < draft.size:
        raise ModelMismatch(
            f"the vocabularies of draft and target do not fit each other: of the draft's {draft.size} ids only "
            f"{len(common)} stand for the same pieces in the target's {target.size}; at least half must"
        )
    return common


@dataclass(frozen=True, slots=True)
class ModelPrints:
    """The prints of a model: its vocabulary, and SHA-256 of its special tokens, chat template and image processor."""

    vocabulary: VocabularyPrint
    special_tokens: bytes
    chat_template: bytes
    image_processor: bytes


def differences(draft: ModelPrints, target: ModelPrints) -> tuple[str, ...]:
    """What is not the same in two models that fit each other: a sentence each, for who wonders how often they agree.

    None of it changes an answer: each end reads the chat and the pictures in its own model's way.
    """
    said = []
    common = draft.vocabulary.common(target.vocabulary)
    if len(common) < max(draft.vocabulary.size, target.vocabulary.size):
        said.append(
            f"the draft may propose {len(common)} ids: it knows {draft.vocabulary.size}, the target "
            f"{target.vocabulary.size}, and the others do not stand for the same pieces"
        )
    if draft.special_tokens != target.special_tokens:
        said.append("special tokens differ: the draft may misread where turns end")
    if draft.chat_template != target.chat_template:
        said.append("chat templates differ: each model gets its own, but the draft may agree less")
    if draft.image_processor != target.image_processor:
        said.append("image processors differ: the draft sees pictures at another size or cut, and may agree less")
    return tuple(said)


def short(fingerprint: bytes) -> str:
    """A fingerprint as people compare it: the first 12 hexadecimal digits."""
    return fingerprint.hex()[:12]
