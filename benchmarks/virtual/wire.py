"""What words weigh on a virtual link: payload and framed bytes by kind, for any vocabulary.

Sizes are those of the messages (protos/covspec/v1/verify.proto) in round numbers: an id of a large vocabulary is three
bytes, gRPC and HTTP/2 frame a message with 14.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shared.speculation.messages import Evidence, Judging, Rule
from shared.speculation.residual import RESIDUAL_IDS

FRAME, HEAD, ID, NUMBER, COUNT = 14, 10, 3, 4, 2  # bytes
SPARSE_PAIRS = 8  # ids with counts of a sparse law: the embedded pair's laws have few


@dataclass
class Wire:
    """`rows`: ids of the vocabulary. `payload`: bytes by direction and kind; `words`: how many."""

    judging: Judging
    rows: int
    payload: Counter[tuple[str, str]] = field(default_factory=Counter)
    words: Counter[tuple[str, str]] = field(default_factory=Counter)

    def propose(self, ids: int, compared: int) -> int:
        """Framed bytes of a Propose of so many ids, `compared` of which no gate lets through."""
        size = HEAD + ID * ids
        if self.judging.rule is Rule.REJECTION:
            match self.judging.evidence:
                case Evidence.SCALAR:
                    size += NUMBER * compared
                case Evidence.SPARSE:
                    size += SPARSE_PAIRS * (ID + COUNT) * compared
                case Evidence.DENSE:
                    size += NUMBER * self.rows * compared
                case Evidence.POINT:
                    pass
        return self._said("up", "propose", size)

    def commit(self, ids: int, *, corrects: bool) -> int:
        """Framed bytes of a Commit. `corrects`: a proposal fell in its step."""
        size = HEAD + ID * ids
        if corrects and self.judging.rule is Rule.REJECTION and self.judging.evidence is Evidence.SCALAR:
            size += RESIDUAL_IDS * (ID + NUMBER)
        return self._said("down", "commit", size)

    def word(self) -> int:
        """Framed bytes of a Yield."""
        return self._said("up", "yield", 2)

    def _said(self, direction: str, kind: str, size: int) -> int:
        self.payload[direction, kind] += size
        self.words[direction, kind] += 1
        return size + FRAME
